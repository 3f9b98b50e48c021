"""Sections on where the time of ours goes: kinds of kernels, launches, and how long the device works at all."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as watch

from bench.gpu.bench import Bench
from bench.gpu.ours import ALL_LAYERS, SETTINGS, Scoring, examples, trainer_of
from bench.gpu.workload import HH, Work

_KINDS = {
    "attention": ("flash", "fmha", "attention", "cudnn", "softmax"),
    "matrix products": ("gemm", "nvjet", "cutlass", "xmma", "cublas", "splitk", "mm"),
    "copies": ("memcpy", "memset", "copy"),
    "gathers": ("index", "gather", "scatter", "cat"),
    "norms": ("norm",),
    "reductions": ("reduce",),
    "optimiser": ("multi_tensor", "adam"),
}
"""Parts of kernels' names, the first that fits; all else works on one element after the other."""
_OTHER = "elementwise"
_TOP = 6
"""Kernels that are named."""


def profile_scoring(bench: Bench) -> None:
    """A pass over some pairs, as many as fit into one large batch."""
    work = Work.draw(HH, bench.size(72, 4), bench.network.shape)
    with TemporaryDirectory() as folder:
        scoring = Scoring(bench.network.reward_model(SETTINGS.lora), work.write(Path(folder) / "pairs"))
        _profile(bench, "profile: score", scoring.run, work.scoring_flops())


def profile_training(bench: Bench) -> None:
    """The forward and the backward pass of a step on all layers, without the optimiser."""
    work = Work.draw(HH, SETTINGS.batch_size, bench.network.shape, seed=1)
    with TemporaryDirectory() as folder:
        rows = examples(work.write(Path(folder) / "pairs"), work)
        model = bench.network.reward_model(ALL_LAYERS)
        with trainer_of(model, rows, bench.clock, ALL_LAYERS) as (trainer, _):
            step = partial(trainer.training_step, model, {"examples": rows})
            _profile(bench, "profile: train, LoRA on all layers", step, work.training_flops(ALL_LAYERS))


def _profile(bench: Bench, work: str, job: Callable[[], Any], flops: float) -> None:
    """Rows of what `job` does, after it has been done before."""
    seconds = bench.clock.measure({work: job}, bench.size(3, 1), 10)[work].seconds
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.clock.on_gpu else [])]
    with watch(activities=activities) as seen:
        job()
        bench.clock.synchronize()
    kind = DeviceType.CUDA if bench.clock.on_gpu else DeviceType.CPU
    spent: Counter[str] = Counter()
    names: Counter[str] = Counter()
    launches = 0
    for event in seen.events() or ():
        if event.device_type == kind and not event.is_user_annotation:
            own = event.time_range.elapsed_us() if bench.clock.on_gpu else event.self_cpu_time_total
            spent[_kind_of(event.name)] += own
            names[event.name[:60]] += own
            launches += 1
    total = sum(spent.values()) or 1.0
    kinds = ", ".join(f"{kind} {own / total:.0%}" for kind, own in spent.most_common())
    busy = f"busy {total / 1e6 / seconds:.0%} of {1e3 * seconds:.1f} ms, {launches:,} launches"
    bench.add(work, share_ours=bench.share(flops, seconds), note=f"{busy}; {kinds}")
    dearest = "; ".join(f"{own / total:.0%} {name}" for name, own in names.most_common(_TOP))
    bench.add(f"{work}, the dearest kernels", note=dearest)


def _kind_of(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, words in _KINDS.items() if any(word in lower for word in words)), _OTHER)
