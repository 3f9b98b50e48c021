"""The gate after the seed RM: while it is closed no loop is run, and no policy or judge is trained."""

from typing import Any

from resources.workshop import Workshop
from ser.method.gate import SeedData, describe_gate, is_shown
from ser.specs import Gate


def seed_gate(work: Workshop) -> Gate:
    """Whether the seed RM is shown to be better than a coin, and if not, what would show it."""
    return describe_gate(_accuracy(work), seed_data(work))


def seed_data(work: Workshop) -> SeedData:
    """What the seed RM was trained on, and what was kept from it."""
    splits, seed = work.heads.get("splits").summary, work.heads.get("seed_rm").summary
    return SeedData(
        labels=seed["n_human"],
        held_back=splits["vault"],
        left_out=splits["beyond_max_pairs"],
        not_scored=splits["beyond_heldout_max"],
        first_loss=seed["first_loss"],
        last_loss=seed["last_loss"],
    )


def is_closed(work: Workshop) -> bool:
    """Whether the run ends with the seed RM: it is not shown to be better than a coin, and nobody wants it anyway."""
    return not work.settings.anyway and not is_shown(_accuracy(work))


def why_skipped(work: Workshop, what: str) -> str:
    """A line for the log of what a closed gate skips."""
    return f"no {what}: the seed RM is {seed_gate(work).words}. `ser run --anyway` goes on."


def _accuracy(work: Workshop) -> dict[str, Any]:
    """The seed RM's accuracy on the calibration pairs."""
    accuracy: dict[str, Any] = work.heads.get("seed_rm.heldout").summary["metrics"]["calibration"]["accuracy"]
    return accuracy
