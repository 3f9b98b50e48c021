"""The report of the benchmarks, and where in it each section has its place."""

from pathlib import Path

REPORT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def put_between_marks(section: str, text: str) -> None:
    """Replace what the report says between the marks of a section."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    before, rest = REPORT.read_text().split(begin)
    after = rest.split(end)[1]
    REPORT.write_text(f"{before}{begin}\n{text}\n{end}{after}")
