"""`python -m reliability [SECTION …] [--seed N] …`: harm, check, and write `docs/reliability.md`."""

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

# Tiny tensors are faster on one thread, and a process of one thread may be forked.
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}

from reliability import sections
from reliability.project import Project
from resources.settings_file import ROOT

REPORT = ROOT / "docs" / "reliability.md"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections.ALL)}; default all")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--kills", type=int, default=40, help="processes to kill")
    parser.add_argument("--inputs", type=int, default=100_000, help="files to fuzz the landing with")
    parser.add_argument("--dry", action="store_true", help="print, and leave the page as it is")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - sections.ALL.keys()
    if unknown:
        parser.error(f"there is no section {min(unknown)}; there are {', '.join(sections.ALL)}")
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        started = time.monotonic()
        project = Project.new(Path(folder) / "project")
        _import_everything()
        print(f"imports: {time.monotonic() - started:.1f} s", flush=True)
        for name in arguments.sections or sections.ALL:
            started = time.monotonic()
            options = sections.Options(arguments.seed, arguments.kills, arguments.inputs, random.Random(arguments.seed))
            text = sections.ALL[name](project, options)
            print(f"{text}\n{name}: {time.monotonic() - started:.0f} s", flush=True)
            if not arguments.dry:
                write(name, text, options)


def _import_everything() -> None:
    """What every `ser run` imports, once for all processes that are forked from this one."""
    from importlib import import_module
    from pkgutil import walk_packages

    import ser
    import ser_dagster.commands

    for package in (ser, ser_dagster.commands):  # stages and commands import what is heavy when they are run
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    for name in ("ser_dagster.cli", "rich.table"):
        import_module(name)
    import_module("ser_dagster.definitions")
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    threads = [name for name in threads if not name.startswith("jemalloc")]  # which survives a fork
    if len(threads) > 1:
        sys.exit(f"threads after the imports: {', '.join(threads)}. A fork would not have them all.")


def write(section: str, text: str, options: "sections.Options") -> None:
    """Put a section's figures, and how they came about, between its marks in the report."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    before, rest = REPORT.read_text().split(begin)
    after = rest.split(end)[1]
    day = datetime.now(UTC).date().isoformat()
    about = f"{day}; `python -m reliability {section}{options.command(section)}`."
    REPORT.write_text(f"{before}{begin}\n{about}\n\n{text}\n{end}{after}")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # DuckDB's bindings would print a page about leaks, as `ser_dagster.cli.entry` says
