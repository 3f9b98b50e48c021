"""`python -m bench gpu` on a processor: the code path of a GPU over two small layers in float32."""

import json
import time
from pathlib import Path
from statistics import mean

import pytest
import torch

from bench.gpu import command
from bench.gpu.bench import Bench, BrokenContext, Section, run_sections
from bench.gpu.network import Network
from bench.gpu.rows import Journal, Row
from bench.gpu.sections import SECTIONS
from bench.gpu.table import HEADINGS, cells, report
from bench.gpu.timing import Clock
from bench.gpu.workload import HH, ULTRAFEEDBACK, Lengths, Work
from ser.specs import Lora

CPU = torch.device("cpu")
ROWS = {
    "score": {
        "score",
        "score, no adapter",
        "score, LoRA on all layers",
        "score, 4,096 tokens a batch",
    },
    "train": {
        "train, LoRA on all layers",
        "train, top half over kept states",
        "train, top half, none kept",
        "train, with checkpoints",
    },
    "rollout": {"rollout, 64 prompts"},
    "long": {"train, pairs of up to 2,048 tokens", "train, pairs of up to 2,048 tokens, all of the memory"},
    "states": {
        "first pass, states kept in the GPU's memory",
        "next pass, states kept in the GPU's memory",
        "first pass, states kept in the host's memory",
        "next pass, states kept in the host's memory",
        "first pass, states written to disk",
    },
    "profile-score": {"profile: score", "profile: score, the dearest kernels"},
    "profile-train": {
        "profile: train, LoRA on all layers",
        "profile: train, LoRA on all layers, the dearest kernels",
    },
    "real": {"train the small model, two epochs", "score by the small model, pairs one after another"},
}


def measure(out: Path, *sections: str) -> Journal:
    command.main(["--tiny", "--out", str(out), "--only", ",".join(sections)])
    return Journal(out)


def check(journal: Journal, *sections: str) -> None:
    """All rows are there, and both sides computed the same."""
    found = {section: {row.work for row in journal.rows if row.section == section} for section in sections}
    assert found == {section: ROWS[section] for section in sections}
    for row in journal.rows:
        assert row.largest is None or (0 <= row.mean <= row.largest < 1e-4), row  # type: ignore[operator]
        assert row.loss_ours is None or row.loss_ours == pytest.approx(row.loss_theirs, abs=1e-4), row
        assert row.must is None or row.ratio is not None, row


def test_scores_and_responses_are_the_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = measure(tmp_path, "score", "rollout", "profile-score")
    check(journal, "score", "rollout", "profile-score")
    compared = [row for row in journal.rows if row.ours and row.theirs]
    assert [(row.must, row.aim) for row in compared] == [(1.9, 2.2), (5.0, 12.0), (5.0, 12.0)]
    assert all("100% of the likeliest tokens equal" in row.note for row in compared if row.section == "rollout")
    assert report(journal) in capsys.readouterr().out


@pytest.mark.slow
def test_every_section_runs_and_is_not_run_again(tmp_path: Path) -> None:
    begun = time.monotonic()
    journal = measure(tmp_path, *SECTIONS)
    assert time.monotonic() - begun < 60
    check(journal, *SECTIONS)
    trained = {row.work for row in journal.rows if row.loss_ours is not None}
    assert trained == {"train, LoRA on all layers", "train, top half over kept states"}
    assert [len(row.split(" | ")) for row in report(journal).splitlines()[2:]] == [len(HEADINGS)] * (
        len(journal.rows) + 2
    )
    again = measure(tmp_path, *SECTIONS)
    assert again.rows == journal.rows and len(again.runs) == 2


def bench(folder: Path) -> Bench:
    return Bench(Clock(CPU), Journal(folder), tiny=True)


def fails(one: Bench) -> None:
    one.add("before", ours=2.0, theirs=1.0)
    raise ValueError("of no use")


def runs_out_of_memory(one: Bench) -> None:
    assert one.attempt("large", "peer", lambda: torch.empty(0).new_tensor(exhausted())) is None
    one.add("after")


def exhausted() -> float:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_what_goes_wrong_is_a_row_and_the_next_section_runs(tmp_path: Path) -> None:
    sections = {
        "fails": Section(fails, 60),
        "full": Section(runs_out_of_memory, 60),
        "endless": Section(lambda one: time.sleep(30), 0.2),
        "last": Section(lambda one: one.add("last"), 60),
    }
    run_sections(bench(tmp_path), sections, time.monotonic() + 60)
    journal = Journal(tmp_path)
    assert [(row.section, row.work, row.note) for row in journal.rows] == [
        ("fails", "before", ""),
        ("fails", "section fails", "ValueError: of no use"),
        ("full", "large", "out of memory"),
        ("full", "after", ""),
        ("endless", "section endless", "cut off after 0 seconds"),
        ("last", "last", ""),
    ]
    assert list(journal.sections) == list(sections)


def test_a_section_that_the_whole_time_cut_off_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.gpu.bench._LEAST", 0.1)
    sections = {"long": Section(lambda one: time.sleep(30), 60), "none left": Section(lambda one: one.add("b"), 60)}
    run_sections(bench(tmp_path), sections, time.monotonic() + 0.3)
    assert Journal(tmp_path).sections == {}
    sections["long"] = Section(lambda one: one.add("a"), 60)
    run_sections(bench(tmp_path), sections, time.monotonic() + 60)
    journal = Journal(tmp_path)
    assert list(journal.sections) == ["long", "none left"]
    assert [row.work for row in journal.rows] == ["section long", "a", "b"]


def test_a_broken_context_ends_the_process_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {"first": Section(fails, 60), "second": Section(lambda one: one.add("second"), 60)}
    broken = bench(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Clock, "forget_peak", lambda self: torch.empty(1).view(2))  # a RuntimeError, as CUDA's are
        with pytest.raises(BrokenContext):
            run_sections(broken, sections, time.monotonic() + 60)
    run_sections(bench(tmp_path), sections, time.monotonic() + 60)
    works = [row.work for row in Journal(tmp_path).rows]
    assert works == ["before", "section first", "second"]
    assert Journal(tmp_path).rows[1].note == "the GPU's context broke: ValueError: of no use"


def test_rows_of_another_card_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path).begin("a card", "torch 1", 1e12)
    Journal(tmp_path).begin("a card", "torch 1", 2e12)
    with pytest.raises(ValueError, match="is of a card, torch 1: name another folder"):
        Journal(tmp_path).begin("another card", "torch 1", 1e12)


def test_a_row_says_what_is_reached() -> None:
    row = Row("s", "w", "p", ours=20.0, theirs=10.0, must=1.9, aim=2.2)
    assert (row.ratio, row.reached) == (2.0, "must")
    slower = Row("s", "w", "p", ours=9.0, theirs=10.0, must=1.15, aim=1.05, lower=True)
    assert slower.ratio == pytest.approx(10 / 9) and slower.reached == "must"
    large = Row("s", "w", "p", ours=80.0, theirs=10.0, must=5.0, aim=8.0, most_gb=60, gb_ours=61.0)
    assert large.reached == "missed"
    assert cells(large)[:8] == ["w", "p", "**8.00**", "5", "8", "missed", "80 pairs/s", "10 pairs/s"]


@pytest.mark.parametrize(("lengths", "tokens", "share"), [(HH, 218, 0.57), (ULTRAFEEDBACK, 637, 0.25)])
def test_lengths_are_like_those_of_published_pairs(lengths: Lengths, tokens: int, share: float) -> None:
    shape = Network.build(CPU, tiny=True).shape
    pairs = Work.draw(lengths, 3000, shape).pairs
    assert mean(map(len, pairs)) == pytest.approx(tokens, rel=0.05)
    assert sum(len(one.prompt) for one in pairs) / sum(map(len, pairs)) == pytest.approx(share, abs=0.02)
    longest = max(len(one.prompt) + max(len(one.response_a), len(one.response_b)) for one in pairs)
    assert longest == lengths.longest


def test_all_models_share_their_weights_and_not_their_heads() -> None:
    network = Network.build(CPU, tiny=True)
    base, peer, ours = network.base, network.peer(), network.reward_model(Lora(top=0.5)).classifier
    for one in (peer, ours):
        assert one.model.embed_tokens.weight is base.model.embed_tokens.weight
        assert one.model.layers[0].mlp.up_proj.weight is base.model.layers[0].mlp.up_proj.weight
        assert one.score is not base.score and one.config is not base.config
    assert ours.config._attn_implementation == "ser_varlen" and base.config._attn_implementation == "sdpa"


def test_it_needs_few_packages() -> None:
    """Those of a machine with a GPU: what the rest of the project needs may be missing there."""
    import subprocess
    import sys

    absent = ["dagster", "duckdb", "pydantic_settings", "gguf", "vl_convert", "graphene", "bs4", "rich", "argcomplete"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import bench.gpu.command"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_the_table_is_written_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, page = Journal(tmp_path), tmp_path / "page.md"
    journal.begin("a card", "torch 1", 7.8e14)
    journal.add(
        Row("score", "score", "transformers", ours=190.0, theirs=88.0, must=1.9, aim=2.2, largest=0.02, mean=0.01)
    )
    page.write_text("before\n<!-- gpu -->\nnothing yet\n<!-- end of gpu -->\nafter\n")
    monkeypatch.setattr("bench.marks.REPORT", page)
    command.main(["--table", str(tmp_path)])
    first, _, about, _, _, _, row, *rest = page.read_text().splitlines()
    assert (first, rest) == ("before", ["<!-- end of gpu -->", "after"])
    assert about.startswith("a card; torch 1; ") and about.endswith("1 call; a large matrix product: 780 TFLOP/s.")
    assert row.startswith("| score | transformers | **2.16** | 1.9 | 2.2 | must | 190 pairs/s | 88 pairs/s |")


def test_the_rows_are_json(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(Row("s", "w", ours=1.234567))
    assert json.loads((tmp_path / "rows.jsonl").read_text()) == {
        "section": "s",
        "work": "w",
        "unit": "pairs",
        "ours": 1.2346,
    }
