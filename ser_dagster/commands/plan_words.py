"""`ser plan` for people: a table by stage, a verdict, and what was assumed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from resources.planning.costs import SHARDED, SHARED
from resources.planning.evolution_work import kept_shares
from resources.planning.plan import DTYPE, Plan, StageCost
from resources.settings import Settings
from ser.planning.memory import GIB
from ser.terminal import one_line
from ser_dagster.commands.run_screen import about

if TYPE_CHECKING:
    from rich.table import Table

_LONG = 2 * 3600
"""Seconds from which on times are shown in hours."""


def print_plan(plan: Plan, heading: str, assumed: list[str]) -> None:
    """Print all of it."""
    from resources.console import Terminal

    console = Terminal()
    console.print(one_line(heading), soft_wrap=True)
    console.print(_table(plan))
    for line in [*_verdict(plan), "", "Assumed:", *(f"  {one_line(line)}" for line in assumed)]:
        console.print(line, soft_wrap=True)


def assumptions(plan: Plan, settings: Settings, measured: str, kept: float | None) -> list[str]:
    """What the numbers stand on, and what says otherwise."""
    counts, card, lora = plan.counts, plan.cards.card, settings.reward_model.lora
    epochs = settings.reward_model.epochs_on(counts.seed)
    student = settings.method.student_epochs or "until as many pairs were seen"
    said = [
        f"{counts.pool:,} pool pairs, {counts.seed:,} seed, {counts.calibration:,} calibration, {counts.test:,} test "
        f"(--pairs, --labelled, [roles]) of {plan.lengths.tokens:,.0f} tokens ({measured})",
        f"LoRA r = {lora.r} on the top {lora.top:.0%} of the layers, {epochs} epochs for "
        f"the seed and {student} a loop, {settings.ppo.episodes:,} episodes of PPO (the preset, --set)",
    ]
    first, later = kept_shares(settings.method, kept)
    shares = f"{first:.0%}" if first == later else f"{first:.0%} in loop 1 and {later:.0%} later"
    said += [
        f"a loop keeps of its pool: {shares} (--kept)",
        f"{DTYPE}; a card reaches {card.flops / 1e12:,.0f} TFLOP/s; shares of it measured for Llama 3 8B on one H100 "
        "(docs/plan.md)",
        f"${card.price:.2f} for a card and hour ({card.price_from}; --price)",
    ]
    if plan.sharded:
        said.append(f"{plan.cards.count} cards with the weights shared out work at {SHARDED:.0%} of their speed")
    elif plan.cards.count > 1:
        said.append(f"{plan.cards.count} cards share out the pairs at {SHARED:.0%} of their speed; a policy has one")
    if plan.states_bytes:
        said.append(f"{_digits(plan.states_bytes / 1e9)} GB of disk for the cached states of the trunk")
    return said


def _table(plan: Plan) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    unit, seconds = ("hours", 3600) if plan.seconds > _LONG else ("minutes", 60)
    headings = ("stage", "M tokens", "PFLOP", "memory, GiB", unit, "US $")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for stage in plan.stages:
        table.add_row(stage.stage, *_cells([stage], seconds))
    if plan.policy_stages:
        table.add_section()
        table.add_row("all but the policy", *_cells(plan.reward_model_stages(), seconds))
    table.add_row("all", *_cells(plan.stages, seconds))
    return table


def _cells(stages: list[StageCost], unit: int) -> tuple[str, ...]:
    """Sums of some stages, and of their memory the most; times in a unit of so many seconds."""
    return (
        _digits(sum(stage.tokens for stage in stages) / 1e6),
        _digits(sum(stage.flops for stage in stages) / 1e15),
        f"{max(stage.memory_bytes for stage in stages) / GIB:,.1f}",
        f"{sum(stage.seconds for stage in stages) / unit:,.2f}",
        f"{sum(stage.money for stage in stages):,.2f}",
    )


def _digits(number: float) -> str:
    """With all digits before the point, or three."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _verdict(plan: Plan) -> Iterator[str]:
    """How long it takes, and whether it fits, or what would make it fit."""
    card, usable = plan.cards.card, plan.cards.card.usable_bytes / GIB
    most = max(plan.stages, key=lambda stage: stage.memory_bytes)
    memory = f"{most.memory_bytes / GIB:,.1f} of the usable {usable:,.1f} GiB of each {card.name}"
    if plan.fits:
        spread = f", with the weights shared out over {plan.cards.count} cards (FSDP)" if plan.sharded else ""
        again = any(stage.checkpointing for stage in plan.stages)
        yield f"Fits{spread}{', with gradient checkpointing' if again else ''}: {most.stage} uses {memory}."
        yield f"It takes {about(plan.seconds)} and ${plan.money:,.2f}."
        return
    yield f"Does not fit: {most.stage} needs {memory}. The times are as if it did."
    yield "What would make it fit, by itself:"
    for remedy in plan.remedies:
        yield f"  {'yes' if remedy.fits else ' no'}  {remedy.bytes / GIB:8,.1f} GiB  {remedy.what}"
