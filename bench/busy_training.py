"""Train on a few pairs of the sample for each line that comes in.

python -m bench.busy_training passive|default PAIRS      prints the seconds of each training
"""

import os
import sys

if sys.argv[1] == "default":
    del os.environ["OMP_WAIT_POLICY"]  # which `ser` has set; torch is not loaded yet

import tempfile
import time
from pathlib import Path

import torch

from bench.ours import Training
from bench.workload import Workload
from resources.machine import Compute
from ser.specs import RewardTraining


def main() -> None:
    """Command line."""
    compute = Compute()
    torch.set_num_threads(compute.execution.threads)
    with tempfile.TemporaryDirectory() as folder:
        work = Workload("sample", int(sys.argv[2]))
        training = Training(work, compute.arithmetic.dtype, RewardTraining().lora.top, Path(folder))
        training.prepare()
        training.run()
        for _ in sys.stdin:
            training.prepare()
            start = time.perf_counter()
            training.run()
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
