"""The page: its numbers, its honest words, and that nothing in a pair becomes markup."""

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from audit_fakes import (
    EVOLUTION,
    LOOP_2,
    artifact,
    behind_a_closed_gate,
    filtered,
    named,
    promotion,
    record,
    report_of,
    self_labels,
    with_artifacts,
)
from rich.console import Console

from resources.audit.database import AuditDatabase
from resources.audit.sync import EvolutionRecord, sync
from resources.reporting.index import render_index, report_path
from resources.reporting.model_rows import loop_rows, summary_rows
from resources.reporting.numbers import difference, magnitude, percent
from resources.reporting.report import render_report
from resources.reporting.report_data import ReportData, Row, gather
from resources.reporting.sections import preference_chart, trend_chart
from resources.reporting.terminal import summary
from resources.reporting.words import decision_words, rule_words, suspicion_words
from resources.settings import Settings
from ser.errors import SerError
from ser.method.recipe import Method
from ser.terminal import printable


def page(root: Path, run: EvolutionRecord) -> str:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    return render_report(database.path, run.evolution)


def data(root: Path, run: EvolutionRecord) -> ReportData:
    database = AuditDatabase(root / "audit.duckdb")
    sync(database, run)
    return gather(database.path, run.evolution)


def text_of(html: str) -> str:
    """What a person reads, on one line."""
    read = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return unescape(" ".join(read.replace("\u00a0", " ").split()))


def test_the_page_and_the_terminal_share_their_numbers(tmp_path: Path) -> None:
    html = page(tmp_path, record(tmp_path))
    rows = summary_rows(gather(tmp_path / "audit.duckdb", EVOLUTION))
    assert rows == [
        ["longer wins", "50.0 %", "15.0 to 85.0", "–", "–", "–"],
        ["seed", "50.0 %", "15.0 to 85.0", "–", "–", "20"],
        ["loop 1", "75.0 %", "30.1 to 95.4", "66.7 %", "3", "10"],
        ["loop 2 (converged)", "–", "–", "–", "0", "3"],
        ["promoted: loop 1", "75.0 %", "30.1 to 95.4", "66.7 %", "3", "10"],
    ]
    console = Console(width=110, record=True, file=(tmp_path / "out").open("w"))
    console.print(summary(tmp_path / "audit.duckdb", EVOLUTION))
    shown = console.export_text()
    for row in rows:
        assert all(cell in shown for cell in row)
    for answer in ("Did self-training help? NOT SHOWN", "May I trust it? ", "Machine labels: 3 of 8 kept", "Policy: "):
        assert f"\n{answer}" in shown
    assert "\n  Loop 1 gains +25.0 points (−38.3 to +71.7) over the seed on 4 test pairs: 1 mended" in shown
    assert shown.index("What to do next:") < shown.index("    ser run --dataset sample --set controls.more_steps=true")
    text = text_of(html)
    assert "loop 1, promoted 100.0 % 75.0 % 30.1 to 95.4 +25.0 (−38.3 to +71.7) 66.7 % 3 3 10" in text
    assert "loop 2 (converged) – – – – – 0 3 3" in text and "longer wins – 50.0 % 15.0 to 85.0 – – – – –" in text


def test_honest_words(tmp_path: Path) -> None:
    text = text_of(page(tmp_path, record(tmp_path)))
    assert "simulated" not in text and "· recipe paper sample-" in text
    assert "Decided on: loop 1: 100.0% of 2 calibration pairs." in text
    assert "Only 2 calibration pairs: a true gain of 25.0 points would be missed one time in five." in text
    assert "To show 2 points of accuracy, about 1 234 calibration pairs are needed." in text
    assert "2 wins, 1 ties (half a win each), 1 losses." in text
    assert "Thresholds: tau_high 0.55, tau_low 0.45, tau_delta 0.3; n_min 2." in text
    assert "human labels that no training could read" in text
    assert "the human label prefers the other" in text and "the human label agrees" in text


PROMISE: Row = {"confidence": None, "n": 3, "precision": 0.8, "precision_low": 0.71, "promised": 0.7, "reason": "said"}
ABOVE: Row = {"cut": 0.75, "promised": 0.9, "expected_precision": 0.95, "expected_low": 0.91}
CALIBRATED = Method(teachers=2, select="calibrated")


def test_a_calibrated_loop_keeps_pairs_although_its_status_is_converged(tmp_path: Path) -> None:
    run = with_artifacts(
        record(tmp_path, settings=Settings(method=CALIBRATED)),
        report_of(tmp_path, 1, "converged", 8, ends=False, cut=PROMISE | {"confidence": 0.625}),
        report_of(tmp_path, 2, "1", 5, ends=True, cut=PROMISE),  # the other way round: no cut keeps the promise
    )
    found = data(tmp_path, run)
    assert [row[0] for row in summary_rows(found)][1:4] == ["seed", "loop 1", "loop 2 (converged)"]
    assert [row[-2] for row in summary_rows(found)][2:4] == ["3", "0"]
    first, last = (rule_words(status, found.method) for status in found.statuses)
    promise = "keeps the promised precision (70.0 %, the seed's accuracy on calibration pairs)"
    expected = "about 80.0 % were expected to be right, at least 71.0 % (one-sided 95 %)"
    assert first == (
        f"Kept were the labels above a cut of confidence (0.6250) that {promise}: {expected}. The learning status, "
        "converged, decides nothing under this recipe."
    )
    assert last == (
        f"Converged: no cut of confidence leaves at least 2 pairs and {promise}, so that nothing was kept. Of the "
        f"labels that come nearest to it {expected}. The loops end here. The learning status, 1, decides nothing under "
        "this recipe."
    )
    text = text_of(page(tmp_path, run))
    assert "recipe paper, but for method.min_precision, method.select, method.teachers" in text
    kept = "the labels above a cut of confidence that keeps the promised precision (the seed's accuracy on calibration"
    assert f"A loop labels the pool, keeps {kept} pairs), and trains on." in text
    assert "tau_high" not in text[: text.index("What it cost")] and "Kept: 3 of 8 pairs." in text


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [
        (Method(), {"status": "2"}, "Status 2, finer ranking: only 3 pairs have one response with p > 0.55"),
        (Method(), {"status": "converged", "ends": True}, "2 were needed. The loops end here."),
        (Method(), {"status": "converged", "ends": True, "n_pool": 0}, "Converged: the pool is empty. The loops end"),
        (Method(select="all"), {"status": "converged"}, "Every pair is kept, whatever its confidence."),
        (Method(select="all"), {"ends": True, "n_pool": 0}, "Converged: the pool is empty. The loops end here."),
        (
            Method(select="calibrated", min_precision=0.9),
            ABOVE,
            "(0.7500) that keeps the promised precision (90.0 %): a",
        ),
        (
            Method(select="calibrated"),
            ABOVE | {"ends": True, "expected_low": None},
            "so that nothing was kept. The loops",
        ),
    ],
)
def test_what_a_loop_did_is_said_by_its_rule(method: Method, status: Row, words: str) -> None:
    thresholds = {"tau_high": 0.55, "tau_low": 0.45, "tau_delta": 0.3}
    row = {"status": "1", "ends": False, "n_pool": 8, "n_min": 2, "n_status_1": 3, "n_status_2": 1}
    said = rule_words(row | {"thresholds": thresholds} | status, method.model_dump())
    assert words in said


def test_test_pairs_of_one_group_are_not_so_many_answers(tmp_path: Path) -> None:
    run, database = record(tmp_path), AuditDatabase(tmp_path / "audit.duckdb")
    alone = data(tmp_path, run).test_gain
    with database.writing() as connection:
        connection.execute("UPDATE pairs SET tied = 1 WHERE pair_id LIKE 't%'")
    tied = data(tmp_path, run).test_gain
    assert tied[0] == alone[0] == 0.25
    assert None not in (*alone, *tied)
    assert tied[1] < alone[1] and tied[2] - tied[1] > alone[2] - alone[1]


def test_a_seed_that_stays_is_not_shown_to_be_worse_and_its_loops_can_be_used(tmp_path: Path) -> None:
    stays = {
        "promoted_loop": 0, "rm_version": "v-rm-0", "verdict": "not_shown", "why": "seed RM: 1",
        "gain": {"value": 0.01, "low": -0.03, "high": 0.05}, "detectable": 0.06, "needed": 1400,
    }  # fmt: skip
    found = data(tmp_path, with_artifacts(record(tmp_path), promotion(tmp_path, "v-stays", stays)))
    said = " ".join(decision_words(found))
    assert said.startswith("Decided on: seed RM: 1. To show 2 points of accuracy, about 1 400 calibration pairs")
    assert "a policy (the asset loop_1/ppo_policy, in the UI)." in said
    assert f"the reward model of loop 1: ser export rm --loop 1 --evolution {EVOLUTION} --to DIR." in said
    assert "did not help" not in said
    found.method["teachers"] = 3  # transformers cannot hold their mean
    several = "To export one of the models whose mean is the reward model of loop 1: ser export rm --loop 1 --member 0"
    assert several in " ".join(decision_words(found))


def test_where_no_loop_kept_a_pair_nothing_is_said_of_a_last_one(tmp_path: Path) -> None:
    whole = record(tmp_path)
    stays = {"promoted_loop": 0, "rm_version": "v-rm-0", "verdict": "not_shown", "why": "seed RM"}
    seed = {key: one for key, one in whole.artifacts.items() if not key.startswith("loop_")}
    run = with_artifacts(named(seed), promotion(tmp_path, "v-stays", stays, ["v-held-0"]))
    assert decision_words(data(tmp_path, run)) == ["Decided on: seed RM."]


def test_an_evolution_without_a_promotion(tmp_path: Path) -> None:
    run = record(tmp_path)
    unfinished = {key: one for key, one in run.artifacts.items() if key in ("landed_pairs", "seed_rm")}
    html = page(tmp_path, named(unfinished, settings=Settings(random_seed=3)))
    assert "NOT FINISHED" in html and "No reward model was promoted" in html and "The policy" not in html


def test_the_index_lists_every_evolution(tmp_path: Path) -> None:
    run = record(tmp_path, name="first <try>")
    other = named({"seed_rm": run.artifacts["seed_rm"]}, settings=Settings(random_seed=3))
    made = report_path(tmp_path, run.evolution)
    made.parent.mkdir()
    made.write_text(page(tmp_path, run))
    page(tmp_path, other)
    html = render_index(tmp_path / "audit.duckdb")
    text = text_of(html)
    assert "Did self-training help? sample: NOT SHOWN in 1, NOT FINISHED in 1. 2 evolutions" in text
    assert other.evolution in text
    assert f'<a href="{made.name}">first &lt;try&gt;</a>' in html and html.count("<a ") == 1
    assert "NOT SHOWN +25.0 (−38.3 to +71.7) loop 1 +50.0 (+10.0 to +90.0)" in text


def test_the_same_settings_on_two_snapshots_are_two_lines_of_the_trend(tmp_path: Path) -> None:
    later = record(tmp_path / "later", snapshot="sample-fedcba987654")
    page(tmp_path, later)
    found = data(tmp_path, record(tmp_path))
    chart = trend_chart(found)
    digest = found.evolution["settings_digest"][:6]
    assert chart is not None
    assert re.findall(r'aria-label="(paper [^:"]*):', chart) == [f"paper {digest} of 0123", f"paper {digest} of fedc"]


def test_a_pair_that_two_loops_kept_counts_once(tmp_path: Path) -> None:
    again = {pair: (label, confidence, pair == "p5") for pair, (label, confidence, _) in LOOP_2.items()}
    both = again | {"p1": ("a", 0.97, True)}
    run = with_artifacts(
        record(tmp_path),
        self_labels(tmp_path, 2, both, "v-rm-1", "v-both"),
        report_of(tmp_path, 2, "1", len(both), of="v-both"),
        filtered(tmp_path, 2, both, "v-kept-again", of="v-both"),
        artifact(tmp_path, "loop_2/retrained_rm", "v-rm-2", {"n_human": 2, "n_pseudo": 4, "random_seed": 7}),
    )
    found = data(tmp_path, run)
    assert [row[6:8] for _, row in loop_rows(found)][1:3] == [["3", "3"], ["2", "4"]]


def test_what_a_loop_never_keeps_is_among_what_it_prefers(tmp_path: Path) -> None:
    found = data(tmp_path, record(tmp_path))
    never = [row for row in found.rows["bias"] if not row["n_kept"]]
    assert never and {row["loop"] for row in never} == {1}  # loop 2 kept nothing at all


def test_a_chart_of_many_sources_shows_the_most_and_the_least_kept() -> None:
    rows = [
        {"dimension": "domain", "value": f"d{n}", "n": 10, "kept_rate": n / 40, "ci_low": 0.0, "ci_high": 1.0}
        for n in reversed(range(40))
    ]
    drawn = preference_chart(rows, "domain")
    assert drawn is not None
    shown = set(re.findall(r'aria-label="d(\d+):', drawn))
    assert shown == {str(n) for n in (*range(10), *range(30, 40))}


def test_all_settings_and_those_unlike_the_defaults(tmp_path: Path) -> None:
    text = text_of(page(tmp_path, record(tmp_path, settings=Settings(random_seed=3))))
    assert "unlike the defaults" in text and "random_seed = 3" in text and '"random_seed": 3' in text


def test_a_closed_gate_is_told_in_its_own_words_and_nothing_is_said_of_loops(tmp_path: Path) -> None:
    run = behind_a_closed_gate(tmp_path)
    found = data(tmp_path, run)
    assert decision_words(found) == ["Decided on: no loop was run: the seed RM is not shown to be better than a coin."]
    assert [row[0] for row in summary_rows(found)] == ["longer wins", "seed", "loop 1 (not run)", "promoted: seed"]
    text = text_of(page(tmp_path, run))
    assert "ser run --dataset sample --set anyway=true" in text
    assert "Loop 1: what was kept" not in text and "The policy" not in text


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
    console.print(summary(tmp_path / "audit.duckdb", EVOLUTION))
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
        found: Counter[str] = Counter()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found[tag] += 1
            assert not [name for name, _ in attrs if name.startswith("on")]
            assert tag != "a" or (dict(attrs)["href"] or "").startswith("#")

    Tags().feed(html)
    assert not Tags.found.keys() & {"img", "iframe", "link", "object"}
    assert Tags.found["script"] == 1  # ours


def test_texts_that_reorder_or_command_are_shown(tmp_path: Path) -> None:
    html = page(tmp_path, record(tmp_path, texts=dict.fromkeys(("p1", "p3", "p4"), "a\u202eb\x1b[2Jc\x9bd שלום 👩‍👧")))
    assert "a\\u202eb\\u001b[2Jc\\u009bd שלום 👩‍👧" in html
    assert printable(html) == html


def test_a_browser_lets_the_page_do_nothing_but_show_its_own_styles_and_run_its_own_script(tmp_path: Path) -> None:
    html = page(tmp_path, record(tmp_path))
    for text in (html, render_index(tmp_path / "audit.duckdb")):
        [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', text)
        rules = dict(rule.split(" ", 1) for rule in unescape(policy).split("; "))
        styles = set(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL))
        digests = {b64encode(sha256(style.encode()).digest()).decode() for style in styles}
        assert set(rules.pop("style-src-elem").split()) == {f"'sha256-{digest}'" for digest in digests}
        script = rules.pop("script-src")
        for own in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
            assert script == f"'sha256-{b64encode(sha256(own.encode()).digest()).decode()}'"
        assert {rules.pop("style-src"), rules.pop("style-src-attr")} == {"'unsafe-inline'"}
        assert rules == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
        assert text.index("Content-Security-Policy") < text.index("<style")


def test_the_page_needs_nothing_else_and_is_the_same_every_time(tmp_path: Path) -> None:
    run = record(tmp_path)
    html = page(tmp_path, run)
    assert page(tmp_path, run) == html
    addresses = set(re.findall(r"https?://[^\"' ]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in html and "src=" not in html and not re.search(r"url\((?!#)", html)
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html
    assert len(re.findall(r'\bid="', html)) == len(set(re.findall(r'\bid="([^"]+)"', html)))


def test_an_evolution_that_the_audit_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(SerError, match="ser run"):
        render_report(tmp_path / "audit.duckdb", EVOLUTION)
    page(tmp_path, record(tmp_path))
    with pytest.raises(SerError, match="knows no evolution nowhere/0"):
        render_report(tmp_path / "audit.duckdb", "nowhere/0")


def test_numbers_that_are_missing_are_dashes() -> None:
    assert percent(None) == "–"
    assert percent(0.5) == "50.0 %"
    assert difference(None, None, None) == magnitude(None) == "–"
    assert difference(-0.0123, -0.1, 0.2, "log_loss") == "−0.012 (−0.100 to +0.200)"
