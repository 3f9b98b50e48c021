"""Progress says what was done, how fast, and how long it will take."""

import pytest

from resources import reporter
from resources.reporter import SCREEN, Reporter


def test_rate_and_time_left_count_from_where_the_work_began(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 0.0, 10.0, 20.0])
    monkeypatch.setattr(reporter.time, "monotonic", lambda: next(clock))
    lines: list[str] = []
    report = Reporter("loop_1/self_labels", lines.append, screen=SCREEN)
    report(100, 1000, "pairs")
    report(150, 1000, "pairs")
    report(1000, 1000, "pairs", "done")
    assert lines == [
        "loop_1/self_labels: 100/1,000 pairs",
        "loop_1/self_labels: 150/1,000 pairs · 5.0 pairs/s · 2:50 left",
        "loop_1/self_labels: 1,000/1,000 pairs · 45.0 pairs/s · done",
    ]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_log_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(reporter.time, "monotonic", lambda: float(next(clock)) / 10)
    lines: list[str] = []
    report = Reporter("x", lines.append, screen=None)
    for done in range(50):
        report(done, 1000, "pairs")
    assert len(lines) == 1


def test_a_second_piece_of_work_has_a_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 100.0, 200.0, 210.0])
    monkeypatch.setattr(reporter.time, "monotonic", lambda: next(clock))
    lines: list[str] = []
    report = Reporter("x", lines.append, screen=None)
    report(10, 20, "pairs")
    report(20, 20, "pairs")
    report(10, 50, "pairs")
    report(50, 50, "pairs")
    assert lines[-1] == "x: 50/50 pairs · 4.0 pairs/s"
