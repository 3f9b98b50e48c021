"""`ser audit`: named queries and read-only SQL over the audit database."""

import sys

from assets.audit import audit_path
from resources.audit.database import query
from resources.audit.queries import named_queries, run_named
from resources.audit.render import render
from resources.audit.sync import rebuild
from resources.heads import known_runs
from resources.settings import data_root
from resources.workshop import Workshop
from ser.errors import SerError


def answer(name: str | None, sql: str | None, pair: str | None, snapshot: str | None, form: str) -> str:
    """The answer to a named query or to SQL, as a table, CSV or JSON; without either, what can be asked."""
    path = audit_path(data_root())
    if name and sql:
        raise SerError("give a named query or --sql, not both.")
    if sql:
        columns, rows = query(path, sql)
    elif name:
        columns, rows = run_named(path, name, snapshot, pair)
    else:
        return "Named queries:\n" + "\n".join(f"  {key:20} {about}" for key, (about, _) in named_queries().items())
    return render(columns, rows, form).rstrip("\n")


def rebuild_database() -> str:
    """Make the audit database again from the artifacts of every run."""
    root = data_root()
    records = [Workshop(root, settings, snapshot, terminal=True).record() for snapshot, settings in known_runs(root)]
    if not records:
        raise SerError("there is nothing to rebuild from: no run has made artifacts yet.")
    print(f"rebuilding from {len(records)} runs", file=sys.stderr)
    rebuild(audit_path(root), records)
    return f"{audit_path(root)} was made again from {len(records)} runs."
