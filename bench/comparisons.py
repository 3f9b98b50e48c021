"""Scoring and training, side by side with the peers, on one dataset."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

from bench.measure import Comparison, Job, alternate
from bench.ours import Scoring, Training
from bench.peers import PipelineScoring, TrlTraining
from bench.workload import Workload
from ser.specs import RewardTraining

BATCH_SIZES = (1, 4, 16)
"""What the tuned pipeline may choose from."""
PART = 4
"""Pairs that the tuned RewardTrainer may pass through the network at once instead of a whole batch: less padding."""
SMOOTHED = 5
"""Steps that a point of a smoothed loss curve averages."""


def scoring(dataset: str, size: int, rounds: int, dtype: str) -> Iterator[Comparison]:
    """Scoring the pool the first time and again, against the pipeline as documented and tuned."""
    work = Workload(dataset, size)
    with tempfile.TemporaryDirectory() as folder:
        ours = Scoring(work, dtype, Path(folder))
        ours.first()
        tuned = min(
            (PipelineScoring(work, dtype, batch) for batch in BATCH_SIZES),
            key=lambda one: alternate(1, {f"pipeline, batch {one.batch_size}": Job(one.run)}).popitem()[1][0],
        )
        default = PipelineScoring(work, "float32", 1)
        seconds = alternate(
            rounds,
            {
                "pipeline": Job(default.run),
                "pipeline, tuned": Job(tuned.run),
                "first": Job(ours.first),
                "later": Job(ours.later),
            },
        )
    best = f"pipeline, {dtype}, batch {tuned.batch_size}"
    first, later, plain = seconds["first"], seconds["later"], seconds["pipeline"]
    yield Comparison("score, first time", dataset, "pipeline, float32, batch 1", 2.5, 4, first, plain, size)
    yield Comparison("score, first time", dataset, best, 1.5, 2.5, first, seconds["pipeline, tuned"], size)
    yield Comparison("score, later loop", dataset, "pipeline, float32, batch 1", 7, 12, later, plain, size)
    yield Comparison("score, later loop", dataset, best, None, None, later, seconds["pipeline, tuned"], size)


def training(dataset: str, size: int, rounds: int, dtype: str, tuned: bool = True) -> Iterator[Comparison]:
    """Training on all layers and in the loop's default mode, against TRL's trainer on all layers.

    `tuned` adds the better of its two ways to batch.
    """
    work = Workload(dataset, size)
    with tempfile.TemporaryDirectory() as folder:
        whole, top = (
            Training(work, dtype, share, Path(folder) / name)
            for name, share in (("all", 1.0), ("top", RewardTraining().lora.top))
        )
        batch = whole.settings.batch_size
        peers = {
            f"{parts} × {batch // parts}": TrlTraining(work, dtype, whole.settings, whole.start, batch // parts)
            for parts in ((1, batch // PART) if tuned else (1,))
        }
        seconds = alternate(rounds, {**peers, "all layers": whole, "default mode": top})
    best = min(peers, key=lambda how: median(seconds[how]))
    modes = {"all layers": ("train, LoRA on all layers", 1.7, 3), "default mode": ("train, default mode", 4.5, 8)}
    for mode, (work_name, must, aim) in modes.items():
        plain = f"TRL RewardTrainer, {dtype}"
        yield Comparison(work_name, dataset, plain, must, aim, seconds[mode], seconds[f"1 × {batch}"], size)
        if tuned:
            peer = f"{plain}, tuned: {best} pairs"
            yield Comparison(work_name, dataset, peer, None, None, seconds[mode], seconds[best], size)


def curves(dataset: str, size: int, dtype: str) -> list[list[str]]:
    """Rows of loss per five steps: TRL's trainer, ours on all layers, and the difference."""
    work = Workload(dataset, size)
    with tempfile.TemporaryDirectory() as folder:
        ours = Training(work, dtype, 1.0, Path(folder))
        theirs = TrlTraining(work, dtype, ours.settings, ours.start)
        losses = []
        for trainer in (theirs, ours):
            trainer.prepare()
            losses.append(trainer.run())
    rows = []
    for start in range(0, len(losses[0]) - SMOOTHED + 1, SMOOTHED):
        trl, own = (mean(side[start : start + SMOOTHED]) for side in losses)
        steps = f"{start + 1} to {start + SMOOTHED}"
        rows.append([dataset, steps, f"{trl:.4f}", f"{own:.4f}", f"{(own - trl) / trl:+.2%}"])
    return rows


def loops(dataset: str, size: int, rounds: int, dtype: str) -> Iterator[Comparison]:
    """A later loop (label and retrain on a quarter) against our own first pass of the same size."""
    work, kept = Workload(dataset, size), Workload(dataset, size // 4)
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scoring(work, dtype, Path(folder))
        trainer = Training(kept, dtype, RewardTraining().lora.top, Path(folder) / "top")

        def first() -> None:
            scorer.first()
            trainer.run()

        def later() -> None:
            scorer.later()
            trainer.run()

        seconds = alternate(
            rounds,
            {
                "first pass": Job(first, lambda number: trainer.prepare()),
                "later loop": Job(later, lambda number: trainer.prepare()),
            },
        )
    yield Comparison(
        "a later loop",
        dataset,
        "our own first pass",
        0.4,
        0.25,
        seconds["later loop"],
        seconds["first pass"],
        size,
        True,
    )
