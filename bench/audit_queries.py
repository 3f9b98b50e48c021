"""The named queries of `ser audit` on very many self-labels.

python -m bench.audit_queries PAIRS FOLDER MODEL LOOPS      prints what bookkeeping_steps prints, "rows" and "queries"
"""

import json
import sys
import time
from pathlib import Path

import duckdb

from assets.audit import audit_path
from bench.bookkeeping_steps import bookkeep
from resources.audit.queries import find_evolution, named_queries, run_named

# Each loop's labels are the first's with noise of their own.
_LOOP = """
INSERT INTO self_label_facts BY NAME
SELECT l.* REPLACE ('labels {loop}' AS labels, 'decision {loop}' AS decision, b.labels AS earlier,
    'rm{loop}' AS rm_version,
    CASE WHEN hash(l.pair_id, {loop}) % 10 = 0 THEN CASE l.preferred WHEN 'a' THEN 'b' ELSE 'a' END ELSE l.preferred END
        AS preferred,
    0.5 + (hash(l.pair_id, -{loop}) % 500) / 1000 AS confidence,
    b.preferred AS from_preferred, b.confidence AS from_confidence)
FROM self_label_facts l JOIN self_label_facts b USING (pair_id)
WHERE l.earlier = '' AND b.labels = (SELECT labels FROM labellings WHERE loop = {loop} - 1);
INSERT INTO evolution_artifacts BY NAME
SELECT evolution, 'loop_{loop}/' || unnest(['self_labels', 'filtered_pairs']) AS asset,
    unnest(['labels {loop}', 'decision {loop}']) AS version, true AS current FROM evolutions
"""


def main() -> None:
    """One loop's bookkeeping, copied to the other loops inside the database; then every query once, and its time."""
    pairs, root, model, loops = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    measured = bookkeep(pairs, root, model)
    path = audit_path(root)
    with duckdb.connect(str(path)) as connection:
        for loop in range(2, loops + 1):
            connection.execute(_LOOP.format(loop=loop))
        counted = connection.execute("SELECT count(*), any_value(pair_id) FROM self_labels").fetchall()[0]
    print(f"{counted[0]:,} self-labels", file=sys.stderr, flush=True)
    evolution, seconds = find_evolution(path), {}
    for name in named_queries():
        start = time.perf_counter()
        run_named(path, name, evolution, pair=counted[1] if name == "history" else None)
        seconds[name] = time.perf_counter() - start
        print(f"{name}: {seconds[name]:.2f} s", file=sys.stderr, flush=True)
    print(json.dumps(measured | {"rows": counted[0], "queries": seconds}))


if __name__ == "__main__":
    main()
