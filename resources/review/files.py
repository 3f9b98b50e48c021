"""The queue as files for people: a table, a Label Studio project, and apart from them why each pair was chosen.

What annotators see holds no label, confidence or reason of the machine, and the order of the responses is decided
by the pair's identity alone.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from resources.disk import write_whole
from resources.review.ranking import Chosen
from resources.spreadsheet import shown
from ser.data.pairs import prompt_messages, readable_prompt
from ser.errors import SerError

ANSWER = ("preferred", "annotator", "time")
"""Columns for people to fill in; only `preferred` has to be."""

WHY = (
    *("place", "pair_id", "reason", "why", "source", "loop", "preferred", "confidence"),
    *("above_cut", "seed_preferred", "flips", "swing"),
)
_NUMBER = re.compile(r"\d+(e\d+)?")

LABEL_CONFIG = """<View>
  <Header value="Which response is better?"/>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="preferred" toName="response_a,response_b"/>
  <View style="display: grid; grid-template-columns: 1fr 1fr; column-gap: 1em">
    <Text name="response_a" value="$response_a"/>
    <Text name="response_b" value="$response_b"/>
  </View>
</View>
"""


def write_queue(chosen: Sequence[Chosen], folder: Path) -> None:
    """Write the queue into `folder`; writing the same queue again changes nothing.

    Raises:
        SerError: a file that is there holds something else, which may be somebody's answers.
    """
    contents = {
        "queue.jsonl": _jsonl(chosen),
        "queue.csv": _queue_csv(chosen),
        "label-studio-tasks.json": json.dumps([{"data": _texts(one)} for one in chosen], ensure_ascii=False, indent=1),
        "label-studio-config.xml": LABEL_CONFIG,
        "queue-why.csv": _why_csv(chosen),
    }
    data = {folder / name: _encoded(name, text) for name, text in contents.items()}
    for path, content in data.items():
        if path.exists() and path.read_bytes() != content:
            raise SerError(
                f"{path} is there and differs from what would be written: it may hold answers.\n"
                "Import and move it, or name another folder with --to."
            )
    for path, content in data.items():
        write_whole(path, partial(Path.write_bytes, data=content))


def _encoded(name: str, text: str) -> bytes:
    """UTF-8, which a spreadsheet only recognises by its mark."""
    return text.encode("utf-8-sig" if name.endswith(".csv") else "utf-8")


def _texts(one: Chosen) -> dict[str, str]:
    pair = one.pair
    texts = {"prompt": readable_prompt(pair.prompt), "response_a": pair.response_a, "response_b": pair.response_b}
    return {"pair_id": pair.pair_id, **texts}


def _jsonl(chosen: Iterable[Chosen]) -> str:
    rows = (_texts(one) | {"prompt": prompt_messages(one.pair.prompt)} | dict.fromkeys(ANSWER, "") for one in chosen)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _queue_csv(chosen: Iterable[Chosen]) -> str:
    rows = (_texts(one) | dict.fromkeys(ANSWER, "") for one in chosen)
    return _csv(("pair_id", "prompt", "response_a", "response_b", *ANSWER), rows)


def _why_csv(chosen: Iterable[Chosen]) -> str:
    rows = (
        {"place": place, "pair_id": one.pair.pair_id, "why": one.why}
        | {name: getattr(one, name) for name in WHY if name not in ("place", "pair_id", "why")}
        for place, one in enumerate(chosen, start=1)
    )
    return _csv(WHY, rows)


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(name, row[name]) for name in columns] for row in rows)
    return out.getvalue()


def _cell(name: str, value: Any) -> Any:
    """A cell that a spreadsheet leaves as it is."""
    if name == "pair_id" and _NUMBER.fullmatch(value):  # 24 hex digits can look like a number, and would be rounded
        return f"'{value}"
    return shown(value)
