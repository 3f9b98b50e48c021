"""The section on a small real model: trained on the device, then scored there and on the processor, pair by pair."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.gpu.bench import Bench
from bench.gpu.ours import SETTINGS, Scoring, examples
from bench.gpu.scoring import differences
from bench.gpu.workload import HH, Work
from ser.models.reward_model import RewardModel, load_to_score
from ser.planning.shape import ModelShape
from ser.progress import silent
from ser.specs import Arithmetic
from ser.training import train

_EPOCHS = 2


def real(bench: Bench) -> None:
    """The embedded model of 135M parameters on pairs of the sample; with two small layers, those on random pairs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        backbone, work = _tiny(bench, folder) if bench.tiny else _embedded()
        encoded = work.write(folder / "pairs")
        ways = _ways(bench)
        losses = _train(bench, backbone, encoded, work, next(iter(ways.values())), folder / "out")
        on_processor = Scoring(load_to_score(backbone, folder / "out" / "rm", Arithmetic()), encoded)
        begun = time.perf_counter()
        reference = on_processor.run()
        seconds = time.perf_counter() - begun
        for name, arithmetic in ways.items():
            scoring = Scoring(load_to_score(backbone, folder / "out" / "rm", arithmetic), encoded)
            ours = bench.measure({name: scoring.run}, 5)[name]
            margins, wanted = _margins(ours.result), _margins(reference)
            same, apart = (margins > 0) == (wanted > 0), (margins - wanted).abs().mean() / wanted.std()
            bench.add(
                f"score by the small model, {name}",
                "ourselves on the processor, float32",
                ours=len(work) / ours.seconds,
                theirs=len(work) / seconds,
                gb_ours=ours.gb,
                note=f"{same.float().mean():.1%} of the pairs ranked alike, margins {apart:.1e} σ apart; "
                f"losses {losses[0]:.3f} to {losses[-1]:.3f}",
                **differences(ours.result, reference),
            )


def _train(
    bench: Bench, backbone: Path, encoded: Path, work: Work, arithmetic: Arithmetic, out: Path
) -> Sequence[float]:
    """The losses of a training by the function of the stage, which saves the adapter in `out`."""
    model = RewardModel.new(backbone, SETTINGS.lora, arithmetic, random_seed=0)
    bench.clock.forget_peak()
    begun = bench.clock.now()
    how: dict[str, Any] = {"epochs": _EPOCHS, "random_seed": 0, "progress": silent, "batch_tokens": None}
    losses: list[float] = train(model, examples(encoded, work), SETTINGS.training, out=out, **how)["loss"]
    seconds, gb = bench.clock.now() - begun, bench.clock.peak_gb()
    bench.add("train the small model, two epochs", ours=_EPOCHS * len(work) / seconds, gb_ours=gb)
    return losses


def _ways(bench: Bench) -> dict[str, Arithmetic]:
    """The arithmetics that are compared with the processor's."""
    if bench.tiny:
        return {"pairs one after another": Arithmetic(attention="varlen")}
    return {
        "bfloat16 on the GPU": Arithmetic(device="cuda", dtype="bfloat16", attention="varlen"),
        "float32 on the GPU": Arithmetic(device="cuda", dtype="float32", attention="sdpa"),
    }


def _embedded() -> tuple[Path, Work]:
    """The converted model, and pairs of the sample, the preferred response first."""
    from bench.workload import Workload, model_folder  # what it takes to read data and settings: more packages
    from ser.models.model_config import read_config

    return model_folder(), Work(Workload("sample", 64).encoded, ModelShape.from_config(read_config(model_folder())))


def _tiny(bench: Bench, folder: Path) -> tuple[Path, Work]:
    """The network's own weights as a model folder, and random pairs."""
    bench.network.base.save_pretrained(folder / "model")
    return folder / "model", Work.draw(HH, 16, bench.network.shape)


def _margins(rewards: torch.Tensor) -> torch.Tensor:
    return rewards[:, 0] - rewards[:, 1]
