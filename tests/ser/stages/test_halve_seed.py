"""Which labelled pairs are left out of half of the seed."""

from pathlib import Path

from ser.data import tables
from ser.progress import silent
from ser.stages.halve_seed import HalveSeedInputs, HalveSeedSpec, HalveSeedSummary, run


def halve(folder: Path, units: list[str], random_seed: int = 0) -> tuple[HalveSeedSummary, set[str]]:
    """The summary, and the numbers of the pairs that are left out, of a seed whose pairs have these units."""
    folder.mkdir(exist_ok=True)
    pair = {"prompt": "[]", "response_a": "x", "response_b": "y", "preferred": "a"}
    rows = [pair | {"pair_id": f"{number:03}", "unit": unit} for number, unit in enumerate(units)]
    tables.write(folder / "seed.parquet", tables.LABELLED, rows)
    summary = run(HalveSeedSpec(random_seed=random_seed), HalveSeedInputs(seed=folder / "seed.parquet"), folder, silent)
    return summary, {row["pair_id"] for row in tables.read(folder / "left_out.parquet")}


def test_half_of_the_pairs_are_left_out_by_whole_units(tmp_path: Path) -> None:
    units = [f"u{number // 4}" for number in range(80)]
    summary, left_out = halve(tmp_path, units)
    assert summary == HalveSeedSummary(n_kept=40, n_left_out=40)
    assert not {units[int(pair)] for pair in left_out} & {
        unit for number, unit in enumerate(units) if f"{number:03}" not in left_out
    }
    assert halve(tmp_path, units)[1] == left_out != halve(tmp_path, units, random_seed=1)[1]


def test_a_unit_of_more_than_half_stays(tmp_path: Path) -> None:
    summary, left_out = halve(tmp_path, ["large"] * 12 + [f"u{number}" for number in range(8)])
    assert summary.n_left_out == 8 and left_out == {f"{number:03}" for number in range(12, 20)}
    assert halve(tmp_path, ["large"] * 14 + [f"u{number}" for number in range(6)])[0].n_left_out == 0
    assert halve(tmp_path, ["alone"] * 20)[0] == HalveSeedSummary(n_kept=20, n_left_out=0)
