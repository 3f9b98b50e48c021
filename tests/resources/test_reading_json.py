"""JSON in every layout that people publish: the same rows, and a broken one costs no other."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_fakes import read, written

from resources.landing.files import UnreadableError, read_rows
from resources.landing.reading import rows as reading_rows

Rows = list[dict[str, Any]]
ROWS: Rows = [
    {"prompt": 'said "hi", [1, 2] } {', "chosen": [{"role": "assistant", "content": "é\n\\"}], "n": 1.5},
    {"prompt": "汤 😀", "chosen": [], "meta": {"a": {"b": None}}},
    {"prompt": "", "train": [{"x": 1}], "data": "],"},
]
LAYOUTS: dict[str, Callable[[Rows], str]] = {
    "lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "no end": lambda rows: "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
    "windows": lambda rows: "\ufeff" + "".join(json.dumps(row) + "\r\n" for row in rows),
    "commas": lambda rows: ",\n".join(json.dumps(row) for row in rows) + ",",
    "one line": lambda rows: " ".join(json.dumps(row) for row in rows),
    "glued": lambda rows: "".join(json.dumps(row) for row in rows),
    "array": json.dumps,
    "pretty array": lambda rows: "\n" + json.dumps(rows, indent=4, ensure_ascii=False) + "\n\n",
    "array of lines": lambda rows: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]",
    "commas first": lambda rows: "[" + "\n,".join(json.dumps(row) for row in rows) + "]",
    "arrays": lambda rows: json.dumps(rows[:1]) + "\n" + json.dumps(rows[1:]),
    "pretty objects": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows),
    "glued pretty objects": lambda rows: "".join(json.dumps(row, indent=1) for row in rows),
    "flat pretty objects": lambda rows: "\n\n".join(json.dumps(row, indent=0) for row in rows),
    "named": lambda rows: json.dumps({"version": "1", "info": {"n": [1]}, "data": rows, "end": [3]}),
    "pretty named": lambda rows: json.dumps({"examples": rows}, indent=1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "in.ndjson.gz", "in.json.zst"])
def test_the_layout_changes_no_row(tmp_path: Path, layout: str, name: str) -> None:
    found = read(tmp_path / name, LAYOUTS[layout](ROWS))
    assert found.fields == ROWS
    assert [json.loads(row.raw) for row in found.rows] == ROWS
    assert found.lines == sorted(found.lines) and found.lines[0] >= 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYED = st.dictionaries(st.text(max_size=6), VALUES, max_size=4).map(lambda row: {"prompt": "q", **row})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(KEYED, min_size=2, max_size=5), layout=st.sampled_from(sorted(LAYOUTS)))
def test_any_rows_in_any_layout(tmp_path: Path, rows: Rows, layout: str) -> None:
    assert read(tmp_path / "in.json", LAYOUTS[layout](rows)).fields == rows


@pytest.mark.parametrize(
    ("layout", "told"),
    [("lines", []), ("array", ["a JSON array"]), ("pretty objects", ["objects over several lines"]),
     ("named", ["the rows under 'data'"])],
)  # fmt: skip
def test_what_is_assumed_is_told(tmp_path: Path, layout: str, told: list[str]) -> None:
    assert read(tmp_path / "in.jsonl", LAYOUTS[layout](ROWS)).told == told


def test_one_object_with_lists_of_objects_may_be_a_row(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "q"}], "data": [{"x": 1}]}
    assert read(tmp_path / "in.json", json.dumps(row, indent=2)).fields == [row]
    lines = [{"data": [{"x": 1}], "n": n, "turns": {"0": "x"}} for n in range(3)]
    assert read(tmp_path / "in.jsonl", LAYOUTS["lines"](lines)).fields == lines
    assert read(tmp_path / "in.jsonl", LAYOUTS["pretty objects"](lines)).fields == lines


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"train": [{"a": 1}], "test": [{"a": 2}]},
            "several lists of rows: save each as a file of its own: train, test",
        ),
        ({"prompt": {"0": "x", "1": "y"}, "chosen": {"0": "y", "1": "z"}}, "a table by columns: "),
        ({"0": {"prompt": "x"}, "1": {"prompt": "y"}}, "a table by columns: "),
        ({"columns": ["prompt", "chosen"], "index": [0], "data": [["x", "y"]]}, "a table by columns: "),
        ({"prompt": ["q", "r"], "chosen": ["x", "y"]}, "a table by columns: write an object for each row"),
    ],
)
def test_an_object_that_cannot_be_rows_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(UnreadableError) as error:
        read(tmp_path / "in.json", json.dumps(content))
    assert str(error.value).startswith(reason)


def test_large_named_lists_are_streamed_and_checked_to_the_end(tmp_path: Path) -> None:
    rows = [{"prompt": "x" * 5000, "n": n} for n in range(200)]
    assert read(tmp_path / "in.json", json.dumps({"v": 1, "rows": rows, "end": {}})).fields == rows
    for content in ({"rows": rows, "test": rows[:1]}, {"rows": rows, "labels": rows[:1]}):
        with pytest.raises(UnreadableError, match="several lists of rows"):
            read(tmp_path / "in.json", json.dumps(content))
    with pytest.raises(UnreadableError, match="goes on after the object that holds 'rows', line 2"):
        read(tmp_path / "in.json", json.dumps({"rows": rows}) + "\n{}")


GOOD = '{"prompt": "q", "chosen": "y"}'
BROKEN_LINES = {
    "{'prompt': 'q'}": "malformed JSON: written as Python, not JSON: use json.dumps, character 2",
    '{"prompt": "q", "n": None}': "malformed JSON: written as Python, not JSON: use json.dumps, character 22",
    '{"prompt": "q", "l": [1,],}': "malformed JSON: a comma before the closing bracket: take it out, character 25",
    '{"prompt": "q",}': "malformed JSON: a comma before the closing bracket: take it out, character 16",
    "// all of it": "malformed JSON: a comment, which JSON does not have: take it out, character 1",
    "# all of it": "malformed JSON: a comment, which JSON does not have: take it out, character 1",
    '{"prompt": "q"': "malformed JSON: Expecting ',' delimiter, line 2",
    '{"prompt": "cut of': "malformed JSON: Unterminated string, character 12",
    '{"prompt": "said "hi""}': "malformed JSON: Expecting ',' delimiter, character 19",
    "no json": "malformed JSON: Expecting value, character 1",
    "[1, 2]": "not a JSON object",
    '"text"': "not a JSON object",
    '{"n": ' + "1" * 5000 + "}": "malformed JSON: a number of too many digits",
    '{"n": ' + "[" * 9999 + "}": "malformed JSON: nested too deep",
}


@pytest.mark.parametrize("line", BROKEN_LINES, ids=range(len(BROKEN_LINES)))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_broken_line_costs_itself_only(tmp_path: Path, line: str, place: int) -> None:
    lines = [GOOD, GOOD]
    lines.insert(place, line)
    found = read(tmp_path / "in.jsonl", "\n".join(lines))
    assert [fields is not None for fields in found.fields] == [row is not line for row in lines]
    assert found.rows[place].raw == line
    reason = BROKEN_LINES[line].replace("line 2", f"line {place + 1}")
    assert found.reasons[place] == reason


def test_what_stands_behind_an_object_in_its_line_is_one_bad_row(tmp_path: Path) -> None:
    found = read(tmp_path / "in.jsonl", f"{GOOD} {GOOD} oops\n{GOOD}")
    assert found.lines == [1, 1, 1, 2]
    assert found.reasons == [None, None, "malformed JSON: Expecting value, character 1", None]


def test_a_broken_object_over_several_lines_costs_one_row(tmp_path: Path) -> None:
    pretty = json.dumps({"prompt": "q", "chosen": [{"role": "assistant"}]}, indent=2)
    broken = pretty.replace('"q",', '"q",,')
    found = read(tmp_path / "in.json", "\n".join([pretty, broken, pretty, pretty[:-3], pretty]))
    assert [fields is not None for fields in found.fields] == [True, False, True, False, True]
    assert found.rows[1].raw == broken
    assert found.reasons[1] == "malformed JSON: Expecting property name enclosed in double quotes, line 10"
    assert found.lines == [1, 9, 17, 25, 32]


def test_values_that_json_barely_allows(tmp_path: Path) -> None:
    found = read(tmp_path / "in.jsonl", '{"b": -Infinity, "c": 1e999, "d": "\\ud800", "a": 1}\n')
    assert found.fields == [{"a": 1, "b": float("-inf"), "c": float("inf"), "d": "\ud800"}]


def test_a_byte_that_is_no_utf8_costs_its_row(tmp_path: Path) -> None:
    for data in (b'{"a": 1}\n{"a": "\xe9"}\n{"a": 3}', b'[{"a": 1}, {"a": "\xe9"}, {"a": 3}]'):
        found = read(tmp_path / "in.json", data)
        assert found.fields == [{"a": 1}, None, {"a": 3}]
        assert found.rows[1].reason == "undecodable text: not UTF-8"
        assert found.rows[1].raw_base64 == "eyJhIjogIukifQ=="


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_its_mark(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path / "in.jsonl", ("\ufeff" + LAYOUTS["no end"](ROWS)).encode(encoding))
    assert found.fields == ROWS and found.told == ["read as UTF-16"]
    cut = read(tmp_path / "in.jsonl", ("\ufeff" + LAYOUTS["lines"](ROWS)).encode(encoding) + b"x")
    assert cut.fields == [*ROWS, None]


def test_commas_too_many_or_missing_between_elements_cost_nothing(tmp_path: Path) -> None:
    assert None not in read(tmp_path / "in.json", f"[{GOOD},, {GOOD} {GOOD},]").fields


def array_of(*elements: str) -> str:
    return "[" + ", ".join(elements) + "]"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("{'prompt': 'q'}", "written as Python, not JSON: use json.dumps"),
        ('{"prompt": "q",}', "a comma before the closing bracket: take it out"),
        ('{"prompt": "said "hi" to me", "messages": [{"role": "x"}, {"role": "y"}]}', "Expecting ',' delimiter"),
        ('{"prompt": "open, "chosen": "y"}', "Expecting ',' delimiter"),
        ('{"prompt": "q", "chosen": {"x": 1}', "Expecting property name enclosed in double quotes"),
        ('{"prompt": "bad \\x escape"}', "Invalid \\escape"),
        ('{"prompt": "line\nbreak"}', "Invalid control character"),
    ],
)
def test_a_broken_element_of_an_array_costs_itself_only(tmp_path: Path, broken: str, why: str) -> None:
    found = read(tmp_path / "in.json", array_of(GOOD, broken, GOOD, GOOD))
    assert [fields is not None for fields in found.fields] == [True, False, True, True]
    assert found.rows[1].raw == broken
    assert found.reasons[1] == f"malformed JSON: {why}, line {1 + ('chr' in broken)}"
    assert found.lines == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", range(len(GOOD) + 2))
def test_of_an_array_that_is_cut_off_what_stands_before_lands(tmp_path: Path, cut: int) -> None:
    found = read(tmp_path / "in.json", array_of(GOOD, GOOD, GOOD)[: -1 - cut])
    whole = 3 if cut == 0 else 2
    assert [fields is not None for fields in found.fields] == [True] * whole + [False]
    assert "nothing after it was read" in str(found.reasons[-1]) or "is not closed" in str(found.reasons[-1])


def test_elements_that_are_no_objects_and_what_follows_an_array(tmp_path: Path) -> None:
    found = read(tmp_path / "in.json", array_of("1", GOOD, "[2]", '"x"', GOOD) + f"\n{GOOD}\n oops {GOOD}")
    assert [fields is not None for fields in found.fields] == [False, True, False, False, True, True, False]
    assert found.reasons[-1] == "goes on after the JSON array, line 3"


def test_an_array_whose_first_row_is_broken_is_unreadable_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as error:
        read(tmp_path / "in.json", '[\n {"prompt": oops}\n]')
    assert str(error.value) == "malformed JSON: Expecting value, in the first row of a JSON array, line 2"


def test_objects_of_an_array_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"prompt": "é" * size} for size in (1, 2**16 - 40, 2**16, 5, 3 * 2**16, 5, 2**21)]
    assert read(tmp_path / "in.json", json.dumps(rows, ensure_ascii=False)).fields == rows
    monkeypatch.setattr(reading_rows, "MAX_LINE", 2**20)
    found = read(tmp_path / "in.json", json.dumps([rows[0], {"prompt": "x" * 2**23}, rows[0]]))
    assert found.fields == [rows[0], None, rows[0]]
    assert found.reasons[1] == "an object of over 1048576 characters; its beginning is kept, line 1"
    assert len(found.rows[1].raw) < 2**21


@pytest.mark.parametrize("layout", ["lines", "array", "pretty array", "named"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, layout: str) -> None:
    rows = [{"prompt": "word " * 40, "n": n} for n in range(40_000)]
    path = written(tmp_path / "in.json", LAYOUTS[layout](rows))
    tracemalloc.start()
    assert sum(row.fields is not None for row in read_rows(path)) == 40_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 8 * 2**20
    assert peak < 7 * 2**20


def test_lines_that_all_begin_what_they_do_not_end_take_no_quadratic_time(tmp_path: Path) -> None:
    found = read(tmp_path / "in.jsonl", '{"a": [\n' + '{"a": 1},\n' * 5000 + '{"a":\n' * 20_000)
    assert sum(fields is not None for fields in found.fields) == 5000
    assert sum(fields is None for fields in found.fields) == 20_001
