"""The batch plan: fixed from the pairs' lengths and identities before any work starts."""

from collections.abc import Sequence

TOKENS = 768
"""Padded tokens a batch: enough to keep a processor busy, few enough for its caches and for little padding."""


def plan(lengths: Sequence[tuple[int, str]], tokens: int = TOKENS) -> list[list[int]]:
    """Indices into `lengths` (length, pair_id), grouped into batches of similar length.

    A batch holds at most `tokens` padded tokens, or a single longer pair. The plan depends on the set of
    (length, pair_id) only, not on their order of arrival, so that a resumed run follows it.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[index][0] <= tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
