"""How much of the machine reaches the model: its FLOP/s against bare matrix products of its own shapes."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from transformers import AutoConfig
from transformers.configuration_utils import PretrainedConfig

from bench.ours import Scoring, Training
from bench.workload import Workload, model_folder
from ser.models.backbone import DTYPES

HEADINGS = ["work", "data", "GFLOP/s: median (range)", "matrix products", "share", "must", "aim", "reached"]
TOKENS = 1024


def utilisation(dataset: str, size: int, rounds: int, dtype: str) -> Iterator[list[str]]:
    """Rows of the table for scoring the first time and for training with LoRA on all layers."""
    work, config = Workload(dataset, size), AutoConfig.from_pretrained(model_folder())
    forward = sum(_forward_flops(config, len(pair)) for pair in work.encoded)
    with tempfile.TemporaryDirectory() as folder:
        scoring = Scoring(work, dtype, Path(folder) / "scoring")
        training = Training(work, dtype, 1.0, Path(folder) / "training")
        # Frozen weights take no gradient: the backward pass is one more product per layer, that of the activations.
        jobs: list[tuple[str, float, Callable[[], object], Callable[[], None], float, float]] = [
            ("score, first time", forward, scoring.first, lambda: None, 0.55, 0.75),
            ("train, LoRA on all layers", 2 * forward, training.run, training.prepare, 0.4, 0.6),
        ]
        for name, flops, run, prepare, must, aim in jobs:
            rates, peaks = [], []
            for _ in range(rounds):
                peaks.append(flops_of_products(config, dtype))
                prepare()
                start = time.perf_counter()
                run()
                rates.append(flops / (time.perf_counter() - start))
            share = median(rate / peak for rate, peak in zip(rates, peaks, strict=True))
            reached = "aim" if share >= aim else "must" if share >= must else "missed"
            speed = f"{median(rates) / 1e9:.0f} ({min(rates) / 1e9:.0f} to {max(rates) / 1e9:.0f})"
            peak = f"{median(peaks) / 1e9:.0f}"
            yield [name, dataset, speed, peak, f"**{share:.1%}**", f"{must:.0%}", f"{aim:.0%}", reached]


def _shapes(config: PretrainedConfig) -> list[tuple[int, int]]:
    """(in, out) of the linear layers of one decoder layer."""
    hidden, wide = config.hidden_size, config.intermediate_size
    narrow = hidden // config.num_attention_heads * config.num_key_value_heads
    return (
        [(hidden, hidden), (hidden, narrow), (hidden, narrow), (hidden, hidden)]
        + 2 * [(hidden, wide)]
        + [(wide, hidden)]
    )


def _forward_flops(config: PretrainedConfig, tokens: int) -> float:
    """Floating-point operations of one sequence: linear layers, scores and weighted values.

    Of the last layer only keys and values, as `ser.models.last_layer` has it: the few read tokens are not counted.
    """
    shapes = _shapes(config)
    whole, last = (sum(2 * rows * columns for rows, columns in some) * tokens for some in (shapes, shapes[1:3]))
    return (config.num_hidden_layers - 1) * (whole + 4 * config.hidden_size * tokens**2) + last


def flops_of_products(config: PretrainedConfig, dtype: str, repeat: int = 10) -> float:
    """FLOP/s of the model's own matrix products over `TOKENS` tokens."""
    flops, seconds = 0.0, 0.0
    for rows, columns in _shapes(config):
        x, weight = torch.randn(TOKENS, rows, dtype=DTYPES[dtype]), torch.randn(columns, rows, dtype=DTYPES[dtype])
        torch.nn.functional.linear(x, weight)
        start = time.perf_counter()
        for _ in range(repeat):
            torch.nn.functional.linear(x, weight)
        seconds += time.perf_counter() - start
        flops += 2.0 * repeat * TOKENS * rows * columns
    return flops / seconds
