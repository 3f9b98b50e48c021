"""Stage: pass the encoded pairs of one role once through the frozen trunk, into a cache."""

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
    """The tokens of a role (`encoded.parquet`), the model folder, and states of it that were made of other tokens."""

    encoded: Path
    backbone: Path
    earlier: Sequence[Path] = ()


class TrunkSummary(Summary):
    """How many pairs passed."""

    pairs: int


def run(
    spec: TrunkSpec, inputs: TrunkInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> TrunkSummary:
    """Write the states into `out`, a slice each, as far as they are missing."""
    fill(spec, inputs, out, progress, execution)
    return TrunkSummary(pairs=tables.count(inputs.encoded))


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
    from ser.models.reward_model import RewardModel
    from ser.models.states import write_states

    model = RewardModel.new(inputs.backbone, Lora(top=spec.top), spec.arithmetic, random_seed=0).eval()
    how: dict[str, Any] = {"batch_tokens": execution.batch_tokens, "rank": rank, "world": world}
    write_states(model, inputs.encoded, out, spec.arithmetic, progress, earlier=inputs.earlier, **how)
