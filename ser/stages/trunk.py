"""Stage: where the states of a role's pairs after the frozen trunk are kept; those on disk are made now."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser.data import tables
from ser.progress import Progress
from ser.specs import HERE, Execution, Lora, ModelSpec
from ser.stages.job import Inputs, Summary


class TrunkSpec(ModelSpec):
    """What the states depend on besides the tokens and the backbone."""

    top: float


class TrunkInputs(Inputs):
    """The tokens of a role (`encoded.parquet`), the model folder, and states of it that were made of other tokens.

    `passes` is how often the states will be read, roughly.
    """

    encoded: Path
    backbone: Path
    earlier: Sequence[Path] = ()
    passes: float = 1.0


class TrunkSummary(Summary):
    """How many pairs there are, where their states are kept (gpu, host, disk, none), and why there."""

    pairs: int
    place: str
    why: str


def run(
    spec: TrunkSpec, inputs: TrunkInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> TrunkSummary:
    """Write the states into `out`, a slice each, as far as they are missing; or let them be kept in memory."""
    from ser.models.states.cost import measure_seconds, room_beside, states_bytes
    from ser.models.states.kept import keep_states
    from ser.models.states.place import choose_place, room_for

    needed = states_bytes(inputs.backbone, inputs.encoded, Lora(top=spec.top), spec.arithmetic)
    room = room_beside(inputs.backbone, out, spec.arithmetic)
    choice = choose_place(
        needed,
        room,
        execution.cache,
        on_gpu=spec.arithmetic.device == "cuda",
        passes=inputs.passes,
        seconds=lambda: measure_seconds(_model(spec, inputs), inputs.encoded, out.parent, needed),
    )
    if choice.place == "disk":
        fill(spec, inputs, out, progress, execution)
    elif choice.place != "none":
        keep_states(out, choice.place, min(needed, room_for(choice.place, room)))
    return TrunkSummary(pairs=tables.count(inputs.encoded), place=choice.place, why=choice.why)


def fill(
    spec: TrunkSpec,
    inputs: TrunkInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Write the slices of process `rank` of `world`."""
    from ser.models.states.writing import write_states

    how: dict[str, Any] = {"batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
    write_states(_model(spec, inputs), inputs.encoded, out, spec.arithmetic, progress, earlier=inputs.earlier, **how)


def _model(spec: TrunkSpec, inputs: TrunkInputs) -> Any:
    from ser.models.reward_model import RewardModel

    return RewardModel.new(inputs.backbone, Lora(top=spec.top), spec.arithmetic, random_seed=0).eval()
