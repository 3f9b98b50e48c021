"""`python -m bench.products`: how fast this machine multiplies the embedded model's matrices, in both types."""

from statistics import median

from transformers import AutoConfig

from bench.utilisation import TOKENS, flops_of_products
from bench.workload import model_folder
from resources.stamp import machine, versions

ROUNDS = 7


def main() -> None:
    """Print GFLOP/s, the median and the range of rounds that take turns."""
    config = AutoConfig.from_pretrained(model_folder())
    found: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(ROUNDS):
        for dtype, speeds in found.items():
            speeds.append(flops_of_products(config, dtype) / 1e9)
    print(f"{machine()}; {versions()}; {TOKENS:,} tokens, {ROUNDS} rounds")
    for dtype, speeds in found.items():
        print(f"{dtype}: {median(speeds):,.0f} GFLOP/s ({min(speeds):,.0f} to {max(speeds):,.0f})")


if __name__ == "__main__":
    main()
