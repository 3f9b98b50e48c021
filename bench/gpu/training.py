"""Sections on training: all layers and the top half over kept states, against TRL's `RewardTrainer`."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.gpu.bench import Bench
from bench.gpu.ours import ALL_LAYERS, SETTINGS, Scoring, examples, trainer_of
from bench.gpu.peers import BEST, DEFAULTS, Manner, train_with_trl
from bench.gpu.steps import Steps, run_steps
from bench.gpu.workload import HH, ULTRAFEEDBACK, Work
from ser.models.states.kept import KeptStates
from ser.progress import silent
from ser.specs import Lora
from ser.training import Example, train

WORK, TOP, LONG = "train, LoRA on all layers", "train, top half over kept states", "train, pairs of up to 2,048 tokens"
_WARM_STEPS = 2
"""Of ours; a peer warms up on as many pairs."""
_ROOM = 2**34
"""Bytes that states may take: more than those of the pairs."""
_TOKENS_IN_60_GB = 6144
"""Tokens of a microbatch that, by `ser.planning.memory`, take about 50 GB beside an 8B model, all layers adapted."""
_NO_PEER = Steps(0, None, [])


@dataclass(frozen=True)
class _Pairs:
    """Pairs to train on, and those of them that are measured, after the warm-up."""

    work: Work
    encoded: Path

    @property
    def warm(self) -> int:
        """Pairs that warm up."""
        return _WARM_STEPS * SETTINGS.batch_size

    @property
    def measured(self) -> Work:
        """The others."""
        return self.work.part(self.warm, len(self.work))

    @classmethod
    def draw(cls, bench: Bench, lengths: Any, steps: int, folder: str) -> "_Pairs":
        """Pairs for so many steps, besides the warm-up."""
        count = (_WARM_STEPS + steps) * SETTINGS.batch_size
        work = Work.draw(lengths, count, bench.network.shape, seed=1)
        return cls(work, work.write(Path(folder) / "pairs"))


def train_hh(bench: Bench) -> None:
    """Short pairs: all layers, and the top half over states that are kept in the GPU's memory."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = _Pairs.draw(bench, HH, bench.size(4, 1), folder)
        peers = _peers(bench, WORK, pairs, (BEST, DEFAULTS))
        ours = bench.attempt(WORK, "", partial(_train, bench, pairs, ALL_LAYERS))
        _compare(bench, WORK, pairs, ALL_LAYERS, ours, peers, {BEST: (5.0, 6.5), DEFAULTS: (None, None)})
        kept = KeptStates("gpu", _ROOM)
        ours = bench.attempt(TOP, "", partial(_train, bench, pairs, SETTINGS.lora, cache=kept))
        _compare(bench, TOP, pairs, SETTINGS.lora, ours, peers, {BEST: (9.0, 13.0)})
        _own(bench, "train, top half, none kept", pairs, SETTINGS.lora)
        bench.attempt("train, with checkpoints", "", partial(_with_checkpoints, bench, pairs, Path(folder) / "out"))


def train_long(bench: Bench) -> None:
    """Long pairs, within 60 GB, and with what the product takes of the memory."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = _Pairs.draw(bench, ULTRAFEEDBACK, bench.size(2, 1), folder)
        peers = _peers(bench, LONG, pairs, (DEFAULTS,))
        tokens = bench.size(_TOKENS_IN_60_GB, 2048)
        ours = bench.attempt(LONG, "", partial(_train, bench, pairs, ALL_LAYERS, tokens=tokens))
        _compare(bench, LONG, pairs, ALL_LAYERS, ours, peers, {DEFAULTS: (5.0, 8.0)}, most_gb=60)
        _own(bench, f"{LONG}, all of the memory", pairs, ALL_LAYERS)


def _peers(bench: Bench, work: str, pairs: _Pairs, manners: Sequence[Manner]) -> dict[Manner, Steps]:
    """TRL in several manners; one that failed is a row of its own."""
    found: dict[Manner, Steps] = {}
    for manner in manners:
        job = partial(_train_with_trl, bench, pairs, manner)
        found[manner] = bench.attempt(work, f"TRL, {manner}", job) or _NO_PEER
    return found


def _train_with_trl(bench: Bench, pairs: _Pairs, manner: Manner) -> Steps:
    return train_with_trl(bench.network.peer(), pairs.work, manner, pairs.warm, bench.clock)


def _train(
    bench: Bench, pairs: _Pairs, lora: Lora, cache: KeptStates | None = None, tokens: int | None = None
) -> Steps:
    """The product's steps; with a `cache` the states of all pairs are kept in it before."""
    model = bench.network.reward_model(lora)
    if cache is not None:
        Scoring(model, pairs.encoded).run(cache)
    rows: list[Example] = examples(pairs.encoded, pairs.work, cache)
    with trainer_of(model, rows, bench.clock, lora, tokens) as (trainer, watch):
        return run_steps(trainer, watch, bench.clock, _WARM_STEPS, len(pairs.measured))


def _compare(
    bench: Bench,
    work: str,
    pairs: _Pairs,
    lora: Lora,
    ours: Steps | None,
    peers: Mapping[Manner, Steps],
    targets: Mapping[Manner, tuple[float | None, float | None]],
    most_gb: float | None = None,
) -> None:
    """A row for each peer: pairs a second, shares of the ceiling, memory, and the first losses."""
    if ours is None:
        return
    for manner, (must, aim) in targets.items():
        theirs = peers[manner]
        if theirs is _NO_PEER:
            continue
        bench.add(
            work,
            f"TRL, {manner}",
            ours=ours.pairs_a_second,
            theirs=theirs.pairs_a_second,
            must=must,
            aim=aim,
            most_gb=most_gb,
            share_ours=_share(bench, pairs, lora, ours),
            share_theirs=_share(bench, pairs, ALL_LAYERS, theirs),
            gb_ours=ours.gb,
            gb_theirs=theirs.gb,
            **(_losses(ours, theirs) if manner.pairs == SETTINGS.batch_size else {}),
        )


def _losses(ours: Steps, theirs: Steps) -> dict[str, Any]:
    """Of the first step."""
    return {"loss_ours": ours.losses[0], "loss_theirs": theirs.losses[0]}


def _own(bench: Bench, work: str, pairs: _Pairs, lora: Lora) -> None:
    """A row of ours alone."""
    ours = bench.attempt(work, "", partial(_train, bench, pairs, lora))
    if ours is not None:
        share = _share(bench, pairs, lora, ours)
        bench.add(work, ours=ours.pairs_a_second, share_ours=share, gb_ours=ours.gb)


def _share(bench: Bench, pairs: _Pairs, lora: Lora, steps: Steps) -> float:
    measured = pairs.measured
    return bench.share(measured.training_flops(lora), len(measured) / steps.pairs_a_second)


def _with_checkpoints(bench: Bench, pairs: _Pairs, out: Path) -> None:
    """The same by the function of the stage, which keeps checkpoints and saves the adapter: what they add."""
    model = bench.network.reward_model(ALL_LAYERS)
    settings = SETTINGS.training.model_copy(update={"lora": ALL_LAYERS})
    rows, begun = examples(pairs.encoded, pairs.work), time.perf_counter()
    train(model, rows, settings, epochs=1, random_seed=0, out=out, progress=silent, batch_tokens=None)
    seconds = time.perf_counter() - begun
    steps = len(rows) // settings.batch_size
    bench.add(
        "train, with checkpoints",
        ours=len(rows) / seconds,
        note=f"{steps} steps from the first to the saved adapter: {seconds:.1f} s, the warm-up included",
    )
