"""The committed sample: what its generator writes, balanced, and without a trivial shortcut."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
FILES = ("pairs.jsonl", "judge_labels.jsonl")
TEXTS = ("prompt", "response_a", "response_b")
Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    """Rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(rows: Rows) -> list[tuple[str, ...]]:
    """Prompt and responses of each row."""
    return [tuple(row[name] for name in TEXTS) for row in rows]


def share(flags: list[bool]) -> float:
    """Share of true flags."""
    return sum(flags) / len(flags)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """`data/sample/generate.py` as a module."""
    spec = importlib.util.spec_from_file_location("sample_generate", SAMPLE / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pairs() -> Rows:
    """The annotator's rows."""
    return read(SAMPLE / FILES[0])


@pytest.fixture(scope="module")
def judge() -> Rows:
    """The judge's rows."""
    return read(SAMPLE / FILES[1])


@pytest.mark.parametrize("name", FILES)
def test_committed_files_are_what_the_generator_writes(generator: ModuleType, tmp_path: Path, name: str) -> None:
    generator.write(tmp_path)
    assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_columns_and_counts(pairs: Rows, judge: Rows) -> None:
    assert len(pairs) == len(judge) == 1600
    columns = {*TEXTS, "preferred", "annotator"}
    assert all(set(row) == columns | {"group", "source"} for row in pairs)
    assert all(set(row) == columns for row in judge)
    assert {row["annotator"] for row in pairs} == {"simulated"}
    assert {row["annotator"] for row in judge} == {"judge"}
    assert len({row["group"] for row in pairs}) >= 400
    assert len({row["source"] for row in pairs}) >= 12
    assert max(Counter(row["group"] for row in pairs).values()) <= 4


def test_texts_are_distinct_and_short(pairs: Rows) -> None:
    assert all(row["response_a"] != row["response_b"] for row in pairs)
    assert len(set(texts(pairs))) == len(pairs)
    assert all(8 <= len(row[name].split()) <= 28 for row in pairs for name in TEXTS[1:])
    assert not [text for row in pairs for text in row.values() if "{" in text or "  " in text or ".." in text]


def test_judge_rows_are_the_same_pairs(pairs: Rows, judge: Rows) -> None:
    assert texts(pairs) == texts(judge)


def test_annotator_errs_about_one_time_in_ten(pairs: Rows, judge: Rows) -> None:
    agree = [row["preferred"] == gold["preferred"] for row, gold in zip(pairs, judge, strict=True)]
    assert 0.88 <= share(agree) <= 0.92


@pytest.mark.parametrize("unit", [len, lambda text: len(text.split())], ids=["characters", "words"])
def test_longer_does_not_simply_win(pairs: Rows, unit) -> None:
    lengths = [(unit(row["response_a"]), unit(row["response_b"]), row["preferred"]) for row in pairs]
    assert 0.40 <= share([(a > b) == (preferred == "a") for a, b, preferred in lengths if a != b]) <= 0.60


def test_order_is_balanced(pairs: Rows, judge: Rows) -> None:
    for rows in (pairs, judge):
        assert 0.46 <= share([row["preferred"] == "a" for row in rows]) <= 0.54


def test_gold_is_the_published_rule(generator: ModuleType) -> None:
    for pair in generator.Sample().pairs(400, generator.SEED):
        gap = pair.a.utility - pair.b.utility
        assert abs(gap) >= generator.MIN_GAP
        assert pair.gold == ("a" if gap > 0 else "b")
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert all(f"| {quality} | {weight:+.2f} |" in readme for quality, weight in generator.WEIGHTS.items())


def test_more_pairs_on_request(generator: ModuleType, pairs: Rows) -> None:
    def key(prompt: str, a: str, b: str) -> tuple[str, frozenset[str]]:
        return prompt, frozenset((a, b))

    more = [key(p.prompt, p.a.text, p.b.text) for p in generator.Sample().pairs(3000, generator.SEED + 1)]
    assert len(set(more)) == 3000
    assert not set(more) & {key(*text) for text in texts(pairs)}


def test_a_longer_run_begins_with_a_shorter_one(generator: ModuleType) -> None:
    sample = generator.Sample()
    assert list(sample.pairs(700, 5))[:600] == list(sample.pairs(600, 5))


def test_small(pairs: Rows) -> None:
    files = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 2_000_000
