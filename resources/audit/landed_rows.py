"""The rows of what has landed: snapshots, pairs and human labels, which datasets gather."""

from collections.abc import Iterator

from resources import asset_keys as keys
from resources.audit.database import literal
from resources.audit.record import EvolutionRecord
from resources.audit.row_sql import AuditRows, parquet


def landed_rows(record: EvolutionRecord) -> Iterator[AuditRows]:
    """What the dataset of `record` had gathered."""
    landed = record.artifacts.get(keys.LANDED_PAIRS)
    if landed is None:
        return
    dataset = literal(record.dataset)
    pairs, labels, pair_times, label_times, snapshots = (
        parquet(landed.path / f"{name}.parquet")
        for name in ("pairs", "labels", "pair_times", "label_times", "snapshots")
    )
    yield AuditRows(
        "snapshots",
        "snapshots",
        f"SELECT snapshot, {dataset} AS dataset, number, n_pairs, n_labelled, landed_at FROM {snapshots}",
        identity=("snapshot",),
        compared=("snapshot", "number", "n_pairs", "n_labelled"),
    )
    yield AuditRows(
        "pairs",
        "pairs",
        f"SELECT pair_id, {dataset} AS dataset, readable_prompt(prompt) AS prompt, response_a, response_b, source, "
        '"group", t.landed_at, s.number AS first_number, '
        """md5_number_lower(coalesce(nullif("group", ''), dialogue)) AS tied, """
        'fold_number(unit_of("group", dialogue)) AS fold_number '
        f"FROM {pairs} AS landed JOIN {pair_times} AS t USING (pair_id) "
        f"JOIN {snapshots} s ON s.landed_at = t.landed_at",
        identity=("pair_id",),
        compared=("pair_id", "prompt", "response_a", "response_b"),
    )
    # Labels accumulate: an earlier snapshot, synced again, must not take away what people said later.
    yield AuditRows(
        "human_labels",
        "human_labels",
        "SELECT l.pair_id, preferred, l.annotator, origin, t.landed_at AS labelled_at, "
        f"{dataset} AS dataset FROM {labels} l JOIN {label_times} t USING (pair_id, annotator)",
        identity=("dataset", "pair_id", "annotator"),
        compared=("dataset", "pair_id", "annotator", "preferred", "origin"),
    )
