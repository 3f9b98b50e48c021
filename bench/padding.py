"""How much of what passes through a network is padding, with the peers and with us: counted from the tokens alone.

Batches are taken in the order in which the pairs were drawn; the trainers shuffle them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from bench.measure import table
from bench.workload import MAX_LENGTH, Workload
from ser.data.batches import plan
from ser.data.encoding import EncodedPair, encode_prompt
from ser.ppo.rollout import UPDATE_TOKENS
from ser.specs import Ppo, RewardTraining

DRAWS = 200
HEADINGS = ["work", "data", "peer", "useful: round 1", "useful: random draws", "peer by ours: round 1", "random draws"]
BATCH = RewardTraining().batch_size


@dataclass(frozen=True)
class Tokens:
    """Tokens of the peer's sequences, the same with the peer's padding, and what passes with us, padding included."""

    useful: int
    peer: int
    ours: int

    @property
    def share(self) -> float:
        """How much of the peer's tokens is no padding."""
        return self.useful / self.peer

    @property
    def ratio(self) -> float:
        """The peer's tokens by ours."""
        return self.peer / self.ours


def training_tokens(work: Workload, at_once: int = BATCH) -> Tokens:
    """An epoch of TRL's `RewardTrainer`, which pads both responses of `at_once` pairs to the longest, and of ours."""
    pairs, starts = work.encoded, range(0, len(work.encoded), at_once)
    batches = [[length for one in pairs[at : at + at_once] for length in _lengths(one)] for at in starts]
    ours = sum(_ours(pairs[at : at + BATCH]) for at in range(0, len(pairs), BATCH))
    return Tokens(sum(map(sum, batches)), sum(len(batch) * max(batch) for batch in batches), ours)


def ppo_tokens(work: Workload) -> Tokens:
    """A pass over full responses in TRL's PPO, which pads all prompts of a rollout to the longest, and in an update of
    ours."""
    response = Ppo().response_tokens
    lengths = [len(tokens) + response for tokens in prompts(work)]
    parts = plan([(length, f"{row:09}") for row, length in enumerate(lengths)], UPDATE_TOKENS)
    ours = sum(len(part) * max(lengths[row] for row in part) for part in parts)
    return Tokens(sum(lengths), len(lengths) * max(lengths), ours)


def prompts(work: Workload) -> list[list[int]]:
    """The prompts that PPO answers."""
    limit = MAX_LENGTH - Ppo().response_tokens
    return [encode_prompt(work.tokenizer, row.pair.prompt)[-limit:] for row in work.rows]


def useful(peer: str, work: Workload, rounds: int, count: Callable[[Workload], Tokens]) -> str:
    """The peer's share over the rounds of a comparison, as a sentence."""
    shares = [count(work.of_round(number)).share for number in range(rounds)]
    return (
        f"{peer}, {work.dataset}: {median(shares):.0%} of its tokens are no padding "
        f"({min(shares):.0%} to {max(shares):.0%} over the rounds)."
    )


def padding(pairs: int, many: int, episodes: int) -> str:
    """What the first round's pairs leave of padding, and what random ones do; nothing is timed."""
    hh, sample = Workload("hh_harmless", pairs), Workload("sample", many)

    def apart(work: Workload) -> Tokens:
        return training_tokens(work, at_once=4)

    jobs = [(f"{BATCH} pairs at once", training_tokens), ("4 times 4 pairs", apart)]
    rows = [_row("train", work, f"TRL RewardTrainer, {how}", count) for work in (hh, sample) for how, count in jobs]
    rows.append(_row("PPO", Workload("hh_harmless", episodes), "TRL 1.12.0", ppo_tokens))
    return table(rows, HEADINGS)


def _row(name: str, work: Workload, peer: str, count: Callable[[Workload], Tokens]) -> list[str]:
    drawn = [count(work.of_round(number)) for number in range(DRAWS)]
    shares, ratios = [one.share for one in drawn], [one.ratio for one in drawn]
    (low, *_, high), (least, *_, most) = quantiles(shares, n=20), quantiles(ratios, n=20)
    return [
        name,
        work.dataset,
        peer,
        f"{shares[0]:.0%}",
        f"{median(shares):.0%} ({low:.0%} to {high:.0%})",
        f"{ratios[0]:.2f}",
        f"{median(ratios):.2f} ({least:.2f} to {most:.2f})",
    ]


def _lengths(pair: EncodedPair) -> list[int]:
    return [len(pair.prompt) + len(response) for response in (pair.response_a, pair.response_b)]


def _ours(pairs: Sequence[EncodedPair]) -> int:
    parts = plan([(len(one), one.pair_id) for one in pairs])
    return sum(len(part) * max(len(pairs[row]) for row in part) for part in parts)
