"""Which pairs have a human label already: by presence alone, as the audit database has it; no label is read."""

from pathlib import Path

from resources.audit.database import query

_KNOWN = "SELECT DISTINCT pair_id FROM human_labels WHERE dataset = $dataset"


def pairs_with_a_label(audit: Path, dataset: str) -> frozenset[str]:
    """The pairs of a dataset that people have labelled, in the vault or anywhere, up to the last sync of the audit.

    Args:
        audit: the audit database.

    Raises:
        SerError: there is no audit database, it is damaged, or (`AuditBusy`) being written.
    """
    return frozenset(pair_id for (pair_id,) in query(audit, _KNOWN, {"dataset": dataset})[1])
