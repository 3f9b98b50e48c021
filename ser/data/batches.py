"""The batch plan: fixed from the pairs' lengths and identities before any work starts."""

from collections.abc import Iterable, Iterator, Sequence

TOKENS = 768
"""Padded tokens a batch: enough to keep a processor busy, few enough for its caches and for little padding."""


def plan(lengths: Sequence[tuple[int, str]], tokens: int = TOKENS) -> list[list[int]]:
    """Indices into `lengths` (length, pair_id), grouped into batches of similar length.

    A batch holds at most `tokens` padded tokens, or a single longer pair. The plan depends on the set of
    (length, pair_id) only, not on their order of arrival, so that a resumed run follows it.
    """
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches: list[list[int]] = []
    for index, number in zip(order, batch_numbers((lengths[i][0] for i in order), tokens), strict=True):
        if number == len(batches):
            batches.append([])
        batches[number].append(index)
    return batches


def batch_numbers(lengths: Iterable[int], tokens: int = TOKENS) -> Iterator[int]:
    """The batch, from 0, of each of some ascending lengths."""
    number = held = 0
    for length in lengths:
        if held and (held + 1) * length > tokens:
            number, held = number + 1, 0
        held += 1
        yield number
