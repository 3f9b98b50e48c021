"""`python -m bench`: see `bench.report`, and `bench.gpu` for `python -m bench gpu`, which needs fewer packages."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["gpu"]:
        from bench.gpu.command import main

        main(sys.argv[2:])
    else:
        from bench.report import main as write_report

        write_report()
