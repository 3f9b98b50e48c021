"""The questions of docs/sql.md, as they stand there: asked of the file with plain DuckDB, and by `ser audit --sql`."""

import re
from pathlib import Path

import duckdb
import pytest
from audit_fakes import EVOLUTION, LOOP_1, filtered, promotion, record, self_labels, with_artifacts

from resources.audit.database import AuditDatabase, query
from resources.audit.sync import sync
from resources.settings_file import ROOT

PAGE = (ROOT / "docs" / "sql.md").read_text()
QUESTIONS = [
    (part.partition("**")[0], statement.strip())
    for part in PAGE.split("\n\n**")[1:]
    for block in re.findall(r"```sql\n(.+?)```", part, re.DOTALL)
    for statement in block.split(";")
    if statement.strip()
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of an evolution whose first labels were superseded, and of two people who disagree about a pair."""
    folder = tmp_path_factory.mktemp("audit")
    database, run = AuditDatabase(folder / "audit.duckdb"), record(folder)
    earlier = self_labels(folder, 1, LOOP_1, "v-rm-0", "v-earlier")
    sync(database, with_artifacts(run, earlier, filtered(folder, 1, LOOP_1, "v-earlier-kept", earlier.version)))
    by_hand = {"promoted_by": "ann", "reason": "a panel", "ruled_loop": 0}
    sync(database, with_artifacts(run, promotion(folder, "v-by-hand", run.artifacts["evolved_rm"].summary | by_hand)))
    sync(database, run)
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO human_labels BY NAME SELECT * REPLACE ('b' AS preferred, 'bob' AS annotator) "
            "FROM human_labels WHERE pair_id = 'p1' LIMIT 1"
        )
    return database.path


def test_there_are_a_dozen_and_no_sql_is_passed_over() -> None:
    assert len(dict(QUESTIONS)) == PAGE.count("```sql") >= 12


@pytest.mark.parametrize(("question", "statement"), QUESTIONS, ids=[question[:40] for question, _ in QUESTIONS])
def test_a_question_has_an_answer(file: Path, question: str, statement: str) -> None:
    asked = statement.replace("EVOLUTION", EVOLUTION).replace("PAIR", "p1")
    with duckdb.connect(str(file), read_only=True) as plain:
        answered = plain.execute(asked).fetchall()
    assert answered
    assert sorted(query(file, asked)[1], key=repr) == sorted(answered, key=repr)
