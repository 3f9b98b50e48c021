"""Sections on scoring: against transformers, and a first pass with the states kept against one without."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.gpu.bench import Bench
from bench.gpu.ours import ALL_LAYERS, SETTINGS, Scoring
from bench.gpu.peers import PlainScoring
from bench.gpu.workload import HH, Work
from ser.models.reward_model import RewardModel
from ser.models.states.disk import StatesCache
from ser.models.states.kept import KeptStates, Memory
from ser.models.states.writing import write_states
from ser.specs import Arithmetic

WORK = "score"
_ROOM = 2**34
"""Bytes that states may take: more than those of the pairs."""


def score(bench: Bench) -> None:
    """The pairs of a pool by a reward model that adapts the top half, and by one without an adapter."""
    network = bench.network
    work = Work.draw(HH, bench.size(256, 6), network.shape)
    peer = _best_peer(bench, work)
    with tempfile.TemporaryDirectory() as folder:
        encoded = work.write(Path(folder) / "pairs")
        ours = Scoring(network.reward_model(SETTINGS.lora), encoded)
        jobs: dict[str, Callable[[], Any]] = {"ours": ours.run, "theirs": peer.run}
        both = bench.attempt(WORK, "transformers", lambda: bench.measure(jobs, 25))
        if both is None:
            return
        own, theirs = both["ours"], both["theirs"]
        flops = work.scoring_flops()
        compared: dict[str, Any] = {
            "theirs": len(work) / theirs.seconds,
            "share_theirs": bench.share(flops, theirs.seconds),
            "gb_theirs": theirs.gb,
        }
        bench.add(
            WORK,
            f"transformers at its best: {peer.name}",
            ours=len(work) / own.seconds,
            share_ours=bench.share(flops, own.seconds),
            must=1.9,
            aim=2.2,
            gb_ours=own.gb,
            **compared,
            **differences(own.result, theirs.result),
        )
        plain = RewardModel(network.ours(), SETTINGS.lora.frozen_layers(network.shape.layers))
        every = network.reward_model(ALL_LAYERS)
        for name, model, tokens in (
            ("score, no adapter", plain, None),
            ("score, LoRA on all layers", every, None),
            ("score, 4,096 tokens a batch", ours.model, 4096),
        ):
            _of_ours(bench, name, Scoring(model, encoded, tokens), work, theirs.result)


def _of_ours(bench: Bench, name: str, scoring: Scoring, work: Work, reference: torch.Tensor) -> None:
    """A row of ours alone."""
    measured = bench.attempt(name, "", lambda: bench.measure({name: scoring.run}, 6)[name])
    if measured is not None:
        bench.add(
            name,
            ours=len(work) / measured.seconds,
            share_ours=bench.share(work.scoring_flops(), measured.seconds),
            gb_ours=measured.gb,
            **differences(measured.result, reference),
        )


def _best_peer(bench: Bench, work: Work) -> PlainScoring:
    """The fastest of transformers' batch sizes, each of which is a row: how far they differ among themselves, too."""
    model = bench.network.base
    sizes: list[dict[str, int]] = [{"sequences": 16}, {"sequences": 32}, {"sequences": 64}]
    sizes += [{"tokens": 8192}, {"tokens": 16384}]
    candidates = [PlainScoring(model, work, **size) for size in sizes[: bench.size(len(sizes), 2)]]
    found, first = [], None
    for candidate in candidates:
        peer = f"transformers, {candidate.name}"
        jobs: dict[str, Callable[[], Any]] = {"theirs": candidate.run}
        measured = bench.attempt(WORK, peer, partial(bench.clock.measure, jobs, 1, 10))
        if measured is None:
            continue
        theirs = measured["theirs"]
        first = theirs.result if first is None else first
        found.append((theirs.seconds, candidate))
        bench.add(
            WORK,
            peer,
            theirs=len(work) / theirs.seconds,
            share_theirs=bench.share(work.scoring_flops(), theirs.seconds),
            gb_theirs=theirs.gb,
            **differences(theirs.result, first),
        )
    return min(found, key=lambda one: one[0])[1]


def states(bench: Bench) -> None:
    """A first pass whose states are kept, for which nothing else is done, and the next one, against none kept."""
    network = bench.network
    work = Work.draw(HH, bench.size(256, 6), network.shape)
    device: Any = network.device.type
    arithmetic = Arithmetic(device=device, dtype="float32" if bench.tiny else "bfloat16", attention="varlen")
    with tempfile.TemporaryDirectory() as folder:
        encoded = work.write(Path(folder) / "pairs")
        ours = Scoring(network.reward_model(SETTINGS.lora), encoded)
        filled: dict[Memory, KeptStates] = {}

        def first(memory: Memory) -> torch.Tensor:
            filled.pop(memory, None)  # or two of them would be in memory at once
            filled[memory] = KeptStates(memory, _ROOM)
            return ours.run(filled[memory])

        def disk() -> torch.Tensor:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                write_states(ours.model, encoded, Path(out), arithmetic, batch_tokens=None)
                return ours.run(StatesCache.open(Path(out), encoded, ours.model.trunk, arithmetic))

        jobs: dict[str, Callable[[], torch.Tensor]] = {
            "none": ours.run,
            "first pass, states kept in the GPU's memory": lambda: first("gpu"),
            "next pass, states kept in the GPU's memory": lambda: ours.run(filled["gpu"]),
            "first pass, states kept in the host's memory": lambda: first("host"),
            "next pass, states kept in the host's memory": lambda: ours.run(filled["host"]),
            "first pass, states written to disk": disk,
        }
        measured = bench.measure(jobs, 35)
        without = measured.pop("none")
        for name, one in measured.items():
            targets: dict[str, Any] = {"must": 1.15, "aim": 1.05} if "kept" in name and "first" in name else {}
            bench.add(
                name,
                "ourselves, none kept",
                ours=len(work) / one.seconds,
                theirs=len(work) / without.seconds,
                lower=True,
                gb_ours=one.gb,
                gb_theirs=without.gb,
                **targets,
                **differences(one.result, without.result),
            )


def differences(ours: torch.Tensor, theirs: torch.Tensor) -> dict[str, Any]:
    """The largest and the mean difference of two sides' rewards, in standard deviations of theirs."""
    apart = (ours - theirs).abs() / theirs.std()
    return {"largest": apart.max().item(), "mean": apart.mean().item()}
