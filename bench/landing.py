"""What a landing costs by the form of its rows: the plain one, and TRL's conversational ones.

python -m bench.landing FORM PAIRS FOLDER      prints {"seconds", "peak_bytes"}
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.bookkeeping_steps import peak_bytes
from bench.measure import table
from resources.landing.zone import Landing
from resources.settings import Settings
from resources.settings_file import ROOT

HEADINGS = ["form", "pairs", "seconds", "µs a pair", "against plain", "peak memory (MB)", "memory against a tenth"]

_Row = dict[str, Any]


def _plain(prompt: str, chosen: str, rejected: str) -> _Row:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _explicit(prompt: str, chosen: str, rejected: str) -> _Row:
    answers = {
        name: [{"role": "assistant", "content": text}] for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    return {"prompt": [{"role": "user", "content": prompt}], **answers}


def _implicit(prompt: str, chosen: str, rejected: str) -> _Row:
    asked = {"role": "user", "content": prompt}
    answers = {"chosen": chosen, "rejected": rejected}
    return {name: [asked, {"role": "assistant", "content": text}] for name, text in answers.items()}


FORMS: dict[str, Callable[[str, str, str], _Row]] = {
    "plain": _plain,
    "conversational": _explicit,
    "conversational, prompt in the turns": _implicit,
}


def landing(sizes: tuple[int, int]) -> str:
    """Each form at both sizes; the second is ten times the first."""
    rows = []
    plain = 0.0
    for form in FORMS:
        small, large = (_measured(form, size) for size in sizes)
        plain = plain or large["seconds"]
        rows.append(
            [
                form, f"{sizes[1]:,}", f"{large['seconds']:.1f}", f"{1e6 * large['seconds'] / sizes[1]:.0f}",
                f"{large['seconds'] / plain:.2f} x", f"{large['peak_bytes'] / 1e6:.0f}",
                f"{large['peak_bytes'] / small['peak_bytes']:.2f} x",
            ]
        )  # fmt: skip
    return table(rows, HEADINGS)


def _measured(form: str, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-m", "bench.landing", form, str(size), folder]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _write_rows(path: Path, form: str, size: int) -> None:
    """Pairs of about 700 characters, as people's questions and answers are."""
    make = FORMS[form]
    with path.open("w") as file:
        for number in range(size):
            prompt = f"Question {number}: how do I keep item {number % 997} in good order for {number % 31} days? " * 2
            chosen = f"Put it away dry, and look at it every {number % 7 + 2} days. That was answer {number}. " * 3
            rejected = f"I do not know. Perhaps ask somebody who has item {number % 991}; this is {number}. " * 3
            file.write(json.dumps(make(prompt, chosen, rejected)) + "\n")


def main() -> None:
    """Land one file and print what it took."""
    form, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    _write_rows(folder / "pairs.jsonl", form, size)
    start = time.perf_counter()
    done = Landing(folder, Settings()).land([folder / "pairs.jsonl"], "many")
    seconds = time.perf_counter() - start
    if done.landed != size:
        raise AssertionError(f"{done.landed} of {size} rows landed: {done.reasons}")
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
