"""Labels meet their pairs, whoever gave them and however many there are."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser import tables
from ser.stages.split import labelled, majority

GIVEN = pa.schema([("pair_id", pa.string()), ("preferred", pa.string()), ("annotator", pa.string())])


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.lists(st.sampled_from("ab"), max_size=5)))
def test_every_pair_meets_its_votes(tmp_path_factory: pytest.TempPathFactory, votes: dict[str, list[str]]) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.parquet"
    rows = [
        {"pair_id": pair_id, "preferred": vote, "annotator": str(number)}
        for pair_id in sorted(votes)
        for number, vote in enumerate(votes[pair_id])
    ]
    tables.write(path, GIVEN, rows)
    got = {pair["pair_id"]: label for pair, label in labelled(({"pair_id": key} for key in sorted(votes)), path)}
    assert got == {pair_id: majority(pair_id, given) if given else None for pair_id, given in votes.items()}


def test_most_votes_decide_and_a_tie_favours_neither_side() -> None:
    assert majority("x", ["a", "b", "b"]) == "b"
    assert majority("x", ["a"]) == "a"
    ties = [majority(str(number), ["a", "b"]) for number in range(400)]
    assert ties == [majority(str(number), ["b", "a"]) for number in range(400)]
    assert 150 < ties.count("a") < 250


def test_a_label_of_no_pair_is_not_passed_over(tmp_path: Path) -> None:
    tables.write(tmp_path / "l.parquet", GIVEN, [{"pair_id": "b", "preferred": "a", "annotator": ""}])
    with pytest.raises(ValueError, match="the label of b belongs to no pair"):
        list(labelled(iter([{"pair_id": "a"}, {"pair_id": "c"}]), tmp_path / "l.parquet"))
