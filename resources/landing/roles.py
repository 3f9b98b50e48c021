"""Which new prompts and groups belong together: those that rows tie must never be used for two purposes."""

import duckdb

_NODES = """
CREATE TABLE node AS SELECT n.key, k.unit, k.purpose FROM (
    SELECT prompt_key AS key FROM candidate
    UNION SELECT group_key FROM candidate WHERE group_key IS NOT NULL) n
  LEFT JOIN known_keys k USING (key);
CREATE TABLE edge AS SELECT DISTINCT prompt_key, group_key FROM candidate WHERE group_key IS NOT NULL;
CREATE TABLE component AS SELECT key, key AS root FROM node WHERE purpose IS NULL;
CREATE TABLE tie AS SELECT e.prompt_key AS one, e.group_key AS other FROM edge e
  JOIN component p ON p.key = e.prompt_key JOIN component g ON g.key = e.group_key;
INSERT INTO tie SELECT other, one FROM tie;
"""

_NEARER = """
CREATE OR REPLACE TABLE nearer AS SELECT c.key, least(c.root, min(n.root)) AS root
  FROM component c LEFT JOIN tie t ON t.one = c.key LEFT JOIN component n ON n.key = t.other
  GROUP BY c.key, c.root;
CREATE OR REPLACE TABLE jumped AS SELECT a.key, b.root FROM nearer a JOIN nearer b ON b.key = a.root;
"""

SETTLE_KEYS = """
WITH anchor AS (
    SELECT c.root, n.purpose, n.unit FROM edge e JOIN component c ON c.key = e.group_key
      JOIN node n ON n.key = e.prompt_key AND n.purpose IS NOT NULL
    UNION ALL SELECT c.root, n.purpose, n.unit FROM edge e JOIN component c ON c.key = e.prompt_key
      JOIN node n ON n.key = e.group_key AND n.purpose IS NOT NULL),
  claim AS (
    SELECT c.root, r.role, r.preferred IS NOT NULL AND r.annotator <> 'judge' AS labelled
      FROM candidate r JOIN component c ON c.key = r.prompt_key
    UNION ALL SELECT c.root, r.role, r.preferred IS NOT NULL AND r.annotator <> 'judge'
      FROM candidate r JOIN component c ON c.key = r.group_key),
  claims AS (
    SELECT root, bool_or(labelled) AS labelled, list(DISTINCT CASE
        WHEN role IN ('seed', 'pool') THEN 'train' WHEN role IN ('test', 'calibration') THEN role END)
      FILTER (WHERE role IS NOT NULL) AS asked FROM claim GROUP BY root),
  anchors AS (
    SELECT root, min(unit) FILTER (WHERE purpose = 'test') AS test_unit,
      min(unit) FILTER (WHERE purpose = 'calibration') AS calibration_unit,
      min(unit) FILTER (WHERE purpose = 'train') AS train_unit FROM anchor GROUP BY root)
SELECT root, labelled, asked, test_unit, calibration_unit, train_unit
  FROM claims LEFT JOIN anchors USING (root)
"""
"""Per component of new keys: whether a row is labelled, purposes asked for, earlier units tied to it."""


def component_keys(con: duckdb.DuckDBPyConnection) -> None:
    """Make `node` (every key of the landing), `edge`, and `component` (new keys, each with its root).

    The root is the least key that a chain of rows ties a key to. It is passed along ties and then jumps to
    its own root, so that long chains need few rounds.
    """
    con.execute(_NODES)
    changed = con.execute("SELECT count(*) FROM tie").fetchall()[0][0]
    while changed:
        con.execute(_NEARER)
        changed = con.execute(
            "SELECT count(*) FROM jumped j JOIN component c USING (key) WHERE j.root <> c.root"
        ).fetchall()[0][0]
        con.execute("CREATE OR REPLACE TABLE component AS FROM jumped")
