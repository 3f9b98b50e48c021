"""Every section of the benchmarks has its place in the report, or it would stop after having measured."""

from bench.marks import REPORT
from bench.report import SECTIONS


def test_every_section_has_its_marks() -> None:
    text = REPORT.read_text()
    names = [*SECTIONS, "gpu"]
    places = [(text.count(f"<!-- {name} -->"), text.count(f"<!-- end of {name} -->")) for name in names]
    assert dict(zip(names, places, strict=True)) == dict.fromkeys(names, (1, 1))
