"""The SQL behind a report: each is what the page shows beside its table, to be asked again with `ser audit --sql`."""

from resources.audit.database import literal
from resources.audit.watch import WATCHED
from ser.method.promotion import GATE_NOT_SHOWN

MOST_TEXTS = 3
"""Pairs that the page shows of each kind."""
MOST_EVOLUTIONS = 12
"""Evolutions of the dataset that the trend shows, the last ones."""

QUERIES = {
    "loops": "SELECT * FROM loop_summary WHERE evolution = $e ORDER BY loop",
    "statuses": (f"SELECT * FROM status_reports WHERE evolution = $e AND status <> '{GATE_NOT_SHOWN}' ORDER BY loop"),
    "precision": "SELECT * FROM label_precision WHERE evolution = $e ORDER BY loop, labels DESC, confidence_from",
    "controls": "SELECT * FROM controls WHERE evolution = $e ORDER BY number",
    "gains": "SELECT * FROM gains_over_seed WHERE evolution = $e ORDER BY loop NULLS LAST, model",
    "changes": (
        "SELECT loop, count(*) AS n, count(*) FILTER (change = 'mended') AS mended, "
        "count(*) FILTER (change = 'broken') AS broken "
        "FROM label_flips WHERE evolution = $e GROUP BY loop ORDER BY loop"
    ),
    "models": "SELECT * FROM reward_models WHERE evolution = $e AND member_of IS NULL ORDER BY loop NULLS LAST, asset",
    "roles": "SELECT role, count(*) AS n FROM roles WHERE evolution = $e GROUP BY role ORDER BY role",
    "bias": (
        "SELECT * FROM selection_bias WHERE evolution = $e QUALIFY sum(n_kept) OVER (PARTITION BY loop) > 0 "
        "ORDER BY loop, dimension DESC, kept_rate DESC"
    ),
    "labels": (
        "SELECT count(*) AS n, count(*) FILTER (kept) AS kept, count(correct) AS known, "
        "count(*) FILTER (NOT correct) AS wrong FROM (SELECT pair_id, bool_or(kept) AS kept, "
        "arg_max(correct, loop) FILTER (kept) AS correct FROM labels WHERE evolution = $e GROUP BY pair_id)"
    ),
    "newly_kept": (
        "SELECT loop, count(*) AS n FROM (SELECT pair_id, min(loop) AS loop FROM self_labels "
        "WHERE evolution = $e AND kept GROUP BY pair_id) GROUP BY loop ORDER BY loop"
    ),
    "mistakes": (
        "WITH last AS (SELECT pair_id, max(loop) AS loop FROM self_labels WHERE evolution = $e AND kept "
        "GROUP BY pair_id) "
        "SELECT l.* FROM labels l JOIN last USING (pair_id, loop) WHERE evolution = $e AND NOT correct "
        f"ORDER BY confidence DESC, pair_id LIMIT {2 * MOST_TEXTS}"
    ),
    "examples": (
        "WITH chosen AS (SELECT pair_id, loop FROM self_labels WHERE evolution = $e "
        f"QUALIFY row_number() OVER (PARTITION BY loop, kept ORDER BY confidence DESC, pair_id) <= {MOST_TEXTS}) "
        "SELECT l.* FROM labels l JOIN chosen USING (pair_id, loop) WHERE evolution = $e "
        "ORDER BY loop, kept DESC, confidence DESC, pair_id"
    ),
    "policy": (
        "SELECT p.*, v.metric, v.value, v.ci_low, v.ci_high, v.n FROM current_artifacts a "
        "JOIN policies p ON p.evolution = a.evolution AND p.policy_version = a.version "
        "LEFT JOIN evaluations v ON v.evolution = a.evolution AND v.asset = 'policy_evaluation' "
        "WHERE a.evolution = $e AND a.asset = 'ppo_policy'"
    ),
    "steps": "SELECT * FROM policy_steps WHERE evolution = $e AND asset = 'ppo_policy' ORDER BY step",
    "samples": (
        "SELECT * FROM policy_samples WHERE evolution = $e "
        "ORDER BY abs(judge_policy - judge_base) DESC, pair_id LIMIT 4"
    ),
    "costs": """\
SELECT CASE WHEN asset LIKE 'controls/judge%' OR asset LIKE 'policy_evaluation%' THEN 'judging'
            WHEN asset LIKE '%ppo_policy' THEN 'policy' WHEN asset LIKE 'controls/%' THEN 'controls'
            WHEN asset LIKE '%.heldout' THEN 'held-out scores' WHEN asset LIKE 'seed_rm%' THEN 'seed RM'
            WHEN asset LIKE '%/retrained_rm%' THEN 'retraining' WHEN asset LIKE '%/self_labels%' THEN 'labelling'
            ELSE 'pairs, tokens and decisions' END AS stage,
       sum(seconds) AS seconds, sum(cpu_seconds) AS cpu_seconds, max(peak_memory) AS peak_memory
FROM (SELECT asset, version FROM current_artifacts WHERE evolution = $e
      QUALIFY row_number() OVER (PARTITION BY version ORDER BY asset) = 1)
JOIN (SELECT version, seconds, cpu_seconds, peak_memory FROM artifacts) USING (version)
GROUP BY stage ORDER BY seconds DESC""",
    "newest": (
        "SELECT snapshot FROM snapshots WHERE dataset = (SELECT dataset FROM evolutions WHERE evolution = $e) "
        "ORDER BY number DESC LIMIT 1"
    ),
    "trend": (
        "SELECT * FROM evolutions WHERE dataset = (SELECT dataset FROM evolutions WHERE evolution = $e) "
        f"AND gain_test IS NOT NULL ORDER BY finished_at DESC, evolution LIMIT {MOST_EVOLUTIONS}"
    ),
    "made_by": (
        "SELECT DISTINCT git_commit, dirty, CAST(packages AS VARCHAR) AS packages, device "
        "FROM current_artifacts JOIN (SELECT version, git_commit, dirty, packages, device FROM artifacts) "
        "USING (version) WHERE evolution = $e AND git_commit IS NOT NULL ORDER BY ALL"
    ),
    "annotators": (
        "SELECT annotator, count(*) AS n FROM human_labels JOIN evolutions USING (dataset) WHERE evolution = $e "
        "GROUP BY annotator ORDER BY n DESC, annotator"
    ),
}
"""What is asked -> SQL, with $e for the evolution."""

WIDEST = "SELECT max(abs(p_a - p_b)) AS widest FROM self_labels WHERE evolution = $e AND loop = $loop"
GAPS = """
SELECT least(19, CAST(floor(abs(p_a - p_b) / $width) AS INTEGER)) AS bin, kept, count(*) AS n FROM self_labels
WHERE evolution = $e AND loop = $loop GROUP BY ALL"""


def asked(name: str, evolution: str) -> str:
    """The SQL of a table, about this evolution, to be asked by hand."""
    return (QUERIES | WATCHED)[name].replace("$e", literal(evolution))
