"""`python -m bench`: see `bench.report`, and `bench.gpu` for `python -m bench gpu`, which needs fewer packages."""

import os
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["gpu"]:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before it is read: nothing there waits for a hub
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from bench.gpu.command import main

        main(sys.argv[2:])
    else:
        from bench.report import main as write_report

        write_report()
