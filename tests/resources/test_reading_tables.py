"""Tables of text as Excel, pandas and people write them: the same rows, whatever stands between the cells."""

import base64
import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_fakes import read

from resources.landing.files import UnreadableError

NAMES = ["prompt", "Response A", "response_b", "preferred"]
ROWS = [
    ["Best soup, or; stew|\twhich?", 'He said "lentil"', "two\nlines, here", "a"],
    ["Qu'est-ce que c'est ?", "Café crème à la façon de Müller", "Straße", ""],
    ["plain", "=1+1", " spaces ", "b"],
]
FIELDS = [{name: cell or None for name, cell in zip(NAMES, row, strict=True)} for row in ROWS]


def table(rows: list[list[str]] = ROWS, names: list[str] = NAMES, **how: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **how).writerows([names, *rows])
    return text.getvalue()


@pytest.mark.parametrize(("separator", "told"), [(",", []), (";", ["separated by ';'"]), ("\t", ["separated by a tab"]),
                                                 ("|", ["separated by '|'"])])  # fmt: skip
@pytest.mark.parametrize(
    ("quoting", "end"),
    [(csv.QUOTE_MINIMAL, "\n"), (csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r")],
)
def test_any_separator_quoting_and_end_of_line(
    tmp_path: Path, separator: str, told: list[str], quoting: Any, end: str
) -> None:
    data = table(delimiter=separator, quoting=quoting, lineterminator=end)
    found = read(tmp_path / "in.csv", data)
    assert found.fields == FIELDS and found.told == told
    assert found.lines == [2, 4, 5]
    assert read(tmp_path / "in.tsv.gz", data).told == (
        ["separated by ','"] if separator == "," else told * (separator != "\t")
    )


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", []), ("utf-8-sig", []), ("utf-16", ["read as UTF-16"]), ("cp1252", ["read as cp1252"])],
)
def test_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str, told: list[str]) -> None:
    found = read(tmp_path / "in.csv", table().encode(encoding))
    assert found.fields == FIELDS and found.told == told
    assert all(row.raw_base64 is None for row in found.rows)
    big_endian = ("\ufeff" + table(delimiter="\t")).encode("utf-16-be")
    assert read(tmp_path / "in.csv", big_endian).fields == FIELDS


@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "shift-jis"])
def test_other_code_pages_are_not_taken_for_a_western_one(tmp_path: Path, encoding: str) -> None:
    text = "豆のスープ" if encoding == "shift-jis" else "Лучший суп" if encoding == "cp1251" else "最好的汤"
    found = read(tmp_path / "in.csv", table([[text, "yes", "no", "a"], ["q", "yes", "no", "b"]]).encode(encoding))
    assert found.reasons == ["undecodable text: not UTF-8", None]


def test_damaged_utf8_is_not_taken_for_a_code_page(tmp_path: Path) -> None:
    data = table([["é" * 30, "yes", "no", "a"], ["q", "XX", "no", "b"]]).encode().replace(b"XX", b"x\xe9x")
    found = read(tmp_path / "in.csv", data)
    assert found.reasons == [None, "undecodable text: not UTF-8"] and found.told == []
    assert base64.b64decode(found.rows[1].raw_base64 or "") == b"q,x\xe9x,no,b"


def test_excel_names_the_separator_in_a_line_of_its_own(tmp_path: Path) -> None:
    found = read(tmp_path / "in.csv", "sep=;\r\n" + table(delimiter=";"))
    assert found.fields == FIELDS and found.lines == [3, 5, 6]
    odd = read(tmp_path / "in.csv", "sep=^\n" + table(delimiter="^"))
    assert odd.fields == FIELDS and odd.told == ["separated by '^'"]


def test_prose_does_not_decide_the_separator(tmp_path: Path) -> None:
    rows = [["one, two, three, four, five", "a, b, c, d", "x, y, z, w", "a"]] * 5
    assert len(read(tmp_path / "in.csv", table(rows, delimiter=";", quoting=csv.QUOTE_ALL)).fields[0] or {}) == 4
    names = ["id", "the prompt, as asked", "chosen, by a person"]
    unquoted = ";".join(names) + "\n" + "1;two, three;four\n" * 3
    assert (
        read(tmp_path / "in.csv", unquoted).fields == [dict(zip(names, ["1", "two, three", "four"], strict=True))] * 3
    )


def test_what_pandas_writes(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=NAMES)
    frame.to_csv(tmp_path / "in.csv")
    assert read(tmp_path / "in.csv").fields == FIELDS
    frame.to_csv(tmp_path / "in.tsv.zst", sep="\t", index=False, compression=None)
    assert read(tmp_path / "plain.tsv", (tmp_path / "in.tsv.zst").read_bytes()).fields == FIELDS


def test_a_header_that_begins_as_another_format_does(tmp_path: Path) -> None:
    for name in ("PAR1", "BZhour", "ARROW1", "version", "PK"):
        assert read(tmp_path / "in.csv", f"{name}\nx\n").fields == [{name: "x"}]


def test_empty_rows_and_cells_of_a_spreadsheet_are_nothing(tmp_path: Path) -> None:
    found = read(tmp_path / "in.csv", "\n\nprompt;chosen;;\nq;y;;\n;;;\n \nq;y;;;;\nq;y;x;;z\n")
    assert found.fields == [{"prompt": "q", "chosen": "y"}, {"prompt": "q", "chosen": "y"}, None]
    assert found.lines == [4, 7, 8]
    assert found.reasons[-1] == "has 5 columns, the header 4"
    assert "columns without a name left out: 2" in found.told


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.tuples(CELL.filter(str.strip), CELL, CELL), min_size=1, max_size=4),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_cells_come_back(tmp_path: Path, cells: list[tuple[str, str, str]], separator: str, encoding: str) -> None:
    names = ["prompt", "chosen", "rejected"]
    data = table([list(row) for row in cells], names, delimiter=separator, lineterminator="\n").encode(encoding)
    expected = [{name: cell or None for name, cell in zip(names, row, strict=True)} for row in cells]
    assert read(tmp_path / "in.csv", data).fields == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("prompt,chosen,prompt\n1,2,3\n", "two columns have the same name: prompt"),
        ('{"prompt": "q", "chosen": "y"}\n', "JSON under the name of a table: rename it to .jsonl"),
        ('[{"prompt": "q"}]', "JSON under the name of a table: rename it to .jsonl"),
        ('"open\nq,y\n', "no readable header: unexpected end of data"),
        (b"\x01\x02,\x03\n1,2\n", "not a text file in UTF-8"),
        (b"\x81\x8d\xff\xfe,b\n1,2\n", "not a text file in UTF-8"),
    ],
)
def test_a_table_without_a_header_is_refused(tmp_path: Path, data: str | bytes, reason: str) -> None:
    with pytest.raises(UnreadableError) as error:
        read(tmp_path / "in.csv", data)
    assert str(error.value) == reason
