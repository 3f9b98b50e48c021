"""Files that are odd as a whole: nearly all holes, not to be read, full of open quotes, or large once decompressed."""

import gzip
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from landing_fakes import jsonl, landing, pair, quarantined
from reading_fakes import read

from resources.landing import quarantine
from resources.landing.folders import NotAllLandedError
from resources.landing.opened import NamedFile
from resources.landing.reading import csv_rows, limits
from resources.landing.reading import rows as reading_rows
from ser.errors import SerError


def test_a_sparse_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "demo"
    good = jsonl(folder / "good.jsonl", [pair(1)])
    for name, data in (("holes.jsonl", b""), ("end.jsonl", b"{}\n")):
        with (folder / name).open("wb") as file:
            file.truncate(2**42)
            file.seek(2**41)
            file.write(data)
    zone = landing(tmp_path)
    said = r"'end.jsonl', 'holes.jsonl' cannot be read \(a sparse file, of whose 4,398,046,511,104 bytes nearly all are"
    with pytest.raises(NotAllLandedError, match=said):
        zone.land_waiting("demo")
    assert zone.counts("demo")["pairs"] == 1
    assert quarantined(tmp_path) == [] and not list((tmp_path / "quarantine").rglob("*.copy"))
    with pytest.raises(SerError, match=r"holes\.jsonl cannot be read: a sparse file"):
        zone.land([folder / "holes.jsonl"], "demo")
    with NamedFile(good).open() as file:
        assert file.size < 1000


def test_files_that_cannot_land_are_kept_whole_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "LANDING_BYTES", 300_000)
    folder = tmp_path / "landing" / "demo"
    data = {name: b"\x89PNG\0" + name.encode() * 100_000 for name in "abc"}
    for name, content in data.items():
        jsonl(folder / f"{name}.jsonl", []).write_bytes(content)
    landing(tmp_path).land_waiting("demo")
    kept = sorted(quarantined(tmp_path), key=lambda row: row["file"])
    copies = {path.name: path.read_bytes() for path in (tmp_path / "quarantine").rglob("*.copy")}
    assert [copies[row["copy"]] for row in kept[:2]] == [data["a"], data["b"]] and len(copies) == 2
    rest = kept[2]
    assert (rest["file"], rest["line"], "copy" in rest, rest["raw_bytes"]) == ("c.jsonl", None, False, len(data["c"]))
    assert rest["raw_sha256"] == sha256(data["c"]).hexdigest()
    assert b64decode(rest["raw_base64"]) == data["c"][:65_536]


def test_many_open_quotes_keep_no_row_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_AGAIN", 10_000)
    good = [f"question {number},good,bad\n" for number in range(2000)]
    text = "prompt,chosen,rejected\n" + "".join(good[:100]) + 'a","c\n' * 300 + "".join(good[100:])
    monkeypatch.setattr(reading_rows, "MAX_LINE", 20_000)
    found = read(tmp_path / "in.csv", text)
    assert sum(fields is not None for fields in found.fields) == 2000
    assert len(found.rows) == 2300 and "a quote that its line does not close" in str(found.reasons)


def test_little_that_comes_to_much_on_the_disk_is_not_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SMALL", 1000)
    data = gzip.compress(b"PAR1" + Random(0).randbytes(4000) * 500, 9)
    (tmp_path / "in.parquet.gz").write_bytes(data)
    assert 50 < 2_000_000 / len(data) < 500
    done = landing(tmp_path).land([tmp_path / "in.parquet.gz"], "demo")
    assert "more than 50 times as much" in str(done.files[0].unread)
