"""The page: its numbers, its honest words, and that nothing in a pair becomes markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from audit_fakes import SNAPSHOT, artifact, behind_a_closed_gate, record
from rich.console import Console

from resources.audit.database import AuditDatabase
from resources.audit.sync import RunRecord, sync
from resources.reporting.report import percent, render_report, summary_rows, summary_table, suspicion_words, verdict
from resources.reporting.report_data import ReportData, gather
from ser.errors import SerError


def page(root: Path, run: RunRecord) -> str:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    return render_report(database.path, run.snapshot, run.recipe)


def data(root: Path, run: RunRecord) -> ReportData:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    return gather(database.path, run.snapshot, run.recipe)


def text_of(html: str) -> str:
    """What a person reads, on one line."""
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_the_page_and_the_terminal_share_their_numbers(tmp_path: Path) -> None:
    html = page(tmp_path, record(tmp_path))
    rows = summary_rows(gather(tmp_path / "audit.duckdb", SNAPSHOT, "paper"))
    assert rows == [
        ["longer wins", "50.0 %", "15.0 to 85.0", "–", "–", "–"],
        ["seed", "50.0 %", "15.0 to 85.0", "–", "–", "20"],
        ["loop 1", "75.0 %", "30.1 to 95.4", "66.7 %", "3", "10"],
        ["loop 2 (converged)", "–", "–", "–", "0", "3"],
        ["promoted: loop 1", "75.0 %", "30.1 to 95.4", "66.7 %", "3", "10"],
    ]
    console = Console(width=110, record=True, file=(tmp_path / "out").open("w"))
    console.print(summary_table(tmp_path / "audit.duckdb", SNAPSHOT, "paper"))
    shown = console.export_text()
    for row in rows:
        assert " ".join(row) in text_of(html)
        assert all(cell in shown for cell in row)


def test_honest_words(tmp_path: Path) -> None:
    text = text_of(page(tmp_path, record(tmp_path)))
    assert "This set is simulated." in text
    assert "The reward model of loop 1 was promoted. Decided on: loop 1: 100.0% of 2 calibration pairs." in text
    assert "Against the seed: +25.0 points on the test pairs" in text
    assert "The difference between seed and promoted lies inside its interval" in text
    assert "a tie as half a win: 62.5 % (21.9 % to 90.8 %, 4 prompts)" in text
    assert "the judge itself is right on 75.0 % of pairs" in text
    assert "includes 50 %: no difference is shown" in text
    assert "Thresholds: tau_high 0.55, tau_low 0.45, tau_delta 0.3; n_min 2." in text
    assert "human labels that no training could read" in text
    assert "people prefer the other" in text and "people agree" in text


def test_a_difference_outside_its_interval_is_said_too(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    found.difference = (0.08, 0.02, 0.13)
    assert "The promoted model is better than the seed by more than chance." in verdict(found)[-1]
    found.difference = (-0.08, -0.13, -0.02)
    assert "−8.0 points" in verdict(found)[-1] and "worse than the seed" in verdict(found)[-1]


def test_test_pairs_of_one_group_are_not_so_many_answers(tmp_path: Path) -> None:
    alone = data(tmp_path, record(tmp_path)).difference
    with AuditDatabase(tmp_path / "audit.duckdb").writing() as connection:
        connection.execute("""UPDATE pairs SET "group" = 'one' WHERE pair_id LIKE 't%'""")
    tied = gather(tmp_path / "audit.duckdb", SNAPSHOT, "paper").difference
    assert alone is not None and tied is not None
    assert tied[0] == alone[0] == 0.25
    assert tied[1] < alone[1] and tied[2] - tied[1] > alone[2] - alone[1]


def test_a_seed_that_stays_and_a_run_without_promotion(tmp_path: Path) -> None:
    run = record(tmp_path)
    stays = artifact(
        tmp_path,
        "evolved_rm",
        "v-stays",
        {"promoted_loop": 0, "rm_version": "v-rm-0", "verdict": "not_shown", "why": "seed RM: 1"},
    )
    found = data(tmp_path, replace(run, artifacts={**run.artifacts, "evolved_rm": stays}))
    assert verdict(found)[0].startswith("The seed reward model stays: self-training is not shown to help here.")
    unfinished = {key: one for key, one in run.artifacts.items() if key in ("landed_pairs", "seed_rm")}
    html = page(tmp_path, replace(run, recipe="robust", artifacts=unfinished))
    assert "No reward model was promoted" in html and "The policy" not in html


def test_a_closed_gate_is_told_in_its_own_words_and_nothing_is_said_of_loops(tmp_path: Path) -> None:
    run = behind_a_closed_gate(tmp_path)
    found = data(tmp_path, run)
    assert verdict(found)[0] == "No loop was run: the seed RM is not shown to be better than a coin."
    assert [row[0] for row in summary_rows(found)] == ["longer wins", "seed", "loop 1 (not run)", "promoted: seed"]
    text = text_of(page(tmp_path, run))
    assert "ser run --anyway" in text and "Loop 1: what was kept" not in text and "The policy" not in text


def test_a_suspicion_is_said_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    assert suspicion_words(found) == []
    seed = found.seed
    assert seed is not None
    seed |= {"test_accuracy": 1.0, "test_ci_low": 0.9, "n_human": 28}
    words = "Suspicious, seed: 100 % from 28 labels: look for a shortcut, e.g. a length or a marker."
    assert suspicion_words(found) == [words]


def test_the_table_fits_into_a_terminal(tmp_path: Path) -> None:
    sync(AuditDatabase(tmp_path / "audit.duckdb"), record(tmp_path))
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(summary_table(tmp_path / "audit.duckdb", SNAPSHOT, "paper"))
    shown = console.export_text()
    assert "…" not in shown and all(len(line) <= 80 for line in shown.splitlines())
    assert re.search(r"longer wins +50.0 % +15.0 to 85.0", shown)


def test_real_data_is_not_called_simulated_and_an_unknown_vault_is_said(tmp_path: Path) -> None:
    text = text_of(page(tmp_path, record(tmp_path, vault=False, dataset="hh-rlhf")))
    assert "simulated" not in text
    assert "about 60.0 %" in text
    assert "held-out pairs of the same confidence" in text and "no human label is known" in text


def test_nothing_in_a_pair_becomes_markup(tmp_path: Path) -> None:
    evil = "<script>alert('pair')</script><img src=x onerror=alert(1)>"
    html = page(tmp_path, record(tmp_path, texts=dict.fromkeys(("p1", "p3", "p4"), evil)))
    assert "&lt;script&gt;alert(&#39;pair&#39;)" in html
    assert "&lt;script&gt;alert(&#39;policy&#39;)" in html

    class Tags(HTMLParser):
        found: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on")]

    Tags().feed(html)
    assert not Tags.found & {"script", "img", "iframe", "link", "object", "a"}


def test_the_page_needs_nothing_else_and_is_the_same_every_time(tmp_path: Path) -> None:
    run = record(tmp_path)
    html = page(tmp_path, run)
    assert page(tmp_path, run) == html
    addresses = set(re.findall(r"https?://[^\"' ]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in html and "src=" not in html and not re.search(r"url\((?!#)", html)
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html
    assert len(re.findall(r'\bid="', html)) == len(set(re.findall(r'\bid="([^"]+)"', html)))


def test_a_run_that_the_audit_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(SerError, match="ser run"):
        render_report(tmp_path / "audit.duckdb", SNAPSHOT, "paper")
    page(tmp_path, record(tmp_path))
    with pytest.raises(SerError, match="no run of recipe 'robust'"):
        render_report(tmp_path / "audit.duckdb", SNAPSHOT, "robust")


def test_numbers_that_are_missing_are_dashes() -> None:
    assert percent(None) == "–"
    assert percent(0.5) == "50.0 %"
