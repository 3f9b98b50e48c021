"""Which pairs have a human label already: whoever gave it and whichever it is."""

from pathlib import Path

import pytest

from resources.audit.database import AuditDatabase
from resources.review.known_labels import pairs_with_a_label
from ser.errors import SerError


def test_every_pair_with_a_label_of_the_dataset_is_known_and_no_label_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.duckdb"
    with pytest.raises(SerError, match="There is no audit database"):
        pairs_with_a_label(path, "mine")
    labels = [
        ("p1", "a", "ann", "landed", "mine"),
        ("p1", "b", "ben", "review", "mine"),
        ("p2", "b", "ann", "review", "mine"),
        ("p3", "a", "ann", "landed", "other"),
    ]
    with AuditDatabase(path).writing() as connection:
        connection.executemany(
            "INSERT INTO human_labels (pair_id, preferred, annotator, origin, dataset) VALUES (?, ?, ?, ?, ?)", labels
        )
    assert pairs_with_a_label(path, "mine") == {"p1", "p2"}
