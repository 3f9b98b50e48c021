"""The gate after the seed RM: while it is closed no loop is run, and no policy or judge is trained."""

from resources.workshop import Workshop
from ser.gate import SeedData, describe_gate, is_shown
from ser.specs import Gate


def seed_gate(work: Workshop) -> Gate:
    """Whether the seed RM is shown to be better than a coin, and if not, what would show it."""
    splits, seed = work.heads.get("splits").summary, work.heads.get("seed_rm").summary
    held_out = work.heads.get("seed_rm.heldout").summary["metrics"]["calibration"]["accuracy"]
    data = SeedData(
        labels=seed["n_human"],
        held_back=splits["vault"],
        left_out=splits["beyond_max_pairs"],
        not_scored=splits["beyond_heldout_max"],
        first_loss=seed["first_loss"],
        last_loss=seed["last_loss"],
    )
    return describe_gate(held_out, data)


def is_closed(work: Workshop) -> bool:
    """Whether the run ends with the seed RM: it is not shown to be better than a coin, and nobody wants it anyway."""
    held_out = work.heads.get("seed_rm.heldout").summary["metrics"]["calibration"]["accuracy"]
    return not work.settings.anyway and not is_shown(held_out)


def why_skipped(work: Workshop, what: str) -> str:
    """A line for the log of what a closed gate skips."""
    return f"no {what}: the seed RM is {seed_gate(work).words}. `ser run --anyway` goes on."
