"""Stage: supervised fine-tuning of the backbone on the preferred responses of the seed."""

from pathlib import Path

from ser.data import tables
from ser.errors import SerError
from ser.progress import Progress
from ser.specs import HERE, Encoding, Execution, ModelSpec, Training
from ser.stages.job import Inputs, Summary


class SftSpec(ModelSpec):
    """How the backbone is fine-tuned before the seed RM."""

    training: Training
    encoding: Encoding
    epochs: int
    random_seed: int


class SftInputs(Inputs):
    """Model folder, and the labelled table of the seed."""

    backbone: Path
    seed: Path


class SftSummary(Summary):
    """How much was trained on, the first and the last loss, and what was left out or cut."""

    n_human: int
    steps: int
    first_loss: float
    last_loss: float
    left_out: int
    prompts_cut: int
    tokens_cut: int


def run(spec: SftSpec, inputs: SftInputs, out: Path, progress: Progress, execution: Execution = HERE) -> SftSummary:
    """Train an adapter on the seed, merge it, and write a plain model folder `out/model`."""
    from ser.fine_tuning import encode_example, fine_tune, steps_of
    from ser.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(inputs.backbone)
    encoded = [encode_example(tokenizer, row, spec.encoding.max_length) for row in tables.read(inputs.seed)]
    fitting = [one for one in encoded if one is not None]
    if not fitting:
        raise SerError(
            f"none of {len(encoded)} preferred seed responses fits into encoding.max_length "
            f"{spec.encoding.max_length}: there is nothing to fine-tune on. Set it higher, or leave out sft."
        )
    rows, cut = zip(*fitting, strict=True)
    losses = fine_tune(
        inputs.backbone,
        tokenizer,
        rows,
        spec.training,
        spec.arithmetic,
        epochs=spec.epochs,
        random_seed=spec.random_seed,
        out=out,
        progress=progress,
        batch_tokens=execution.batch_tokens,
    )
    return SftSummary(
        n_human=len(rows),
        steps=steps_of(len(rows), spec.training, spec.epochs),
        first_loss=losses[0],
        last_loss=losses[-1],
        left_out=encoded.count(None),
        prompts_cut=sum(tokens > 0 for tokens in cut),
        tokens_cut=sum(cut),
    )
