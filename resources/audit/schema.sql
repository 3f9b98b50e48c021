-- Tables of the audit database. Every TIMESTAMP is UTC. Loop 0 is the seed. Rewards are raw model outputs;
-- p is sigmoid(reward - reward_offset of the loop). The parquet artifacts are the truth; this is their copy.

-- group: what ties a pair to others that say the same in other words. Pairs of one group, or else of one prompt, are
-- right or wrong together: the intervals of evaluations allow for it, those of the views take pairs as independent.
CREATE TABLE IF NOT EXISTS pairs (
    pair_id VARCHAR NOT NULL, dataset VARCHAR NOT NULL, prompt VARCHAR NOT NULL, response_a VARCHAR NOT NULL,
    response_b VARCHAR NOT NULL, source VARCHAR, "group" VARCHAR, landed_at TIMESTAMP
);

-- What each pair was used for. in_vault: its label is known, and was kept from all that learns.
CREATE TABLE IF NOT EXISTS roles (
    snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, role VARCHAR NOT NULL,
    in_vault BOOLEAN NOT NULL
);

-- Two datasets may have the same pair, with other labels. origin: landed, or review (the pair was chosen for it).
CREATE TABLE IF NOT EXISTS human_labels (
    pair_id VARCHAR NOT NULL, preferred VARCHAR NOT NULL, annotator VARCHAR NOT NULL, origin VARCHAR NOT NULL,
    labelled_at TIMESTAMP, dataset VARCHAR NOT NULL
);

-- from_*: what the loop before said of the same pair, so that a changed label is seen without sorting the table.
CREATE TABLE IF NOT EXISTS self_labels (
    snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, loop INTEGER NOT NULL, pair_id VARCHAR NOT NULL,
    rm_version VARCHAR NOT NULL, reward_a DOUBLE, reward_b DOUBLE, p_a DOUBLE, p_b DOUBLE, confidence DOUBLE,
    preferred VARCHAR NOT NULL, rule VARCHAR NOT NULL, kept BOOLEAN NOT NULL, reason VARCHAR, weight DOUBLE NOT NULL,
    run_id VARCHAR, scored_at TIMESTAMP, from_loop INTEGER, from_preferred VARCHAR, from_confidence DOUBLE
);

-- artifact: the version of the held-out scoring, so that a test set that has grown does not mix with the earlier one.
CREATE TABLE IF NOT EXISTS heldout_scores (
    rm_version VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, split VARCHAR NOT NULL,
    reward_a DOUBLE, reward_b DOUBLE, confidence DOUBLE, artifact VARCHAR NOT NULL
);

-- status: 1, 2, converged; gate_not_shown, in loop 1: the seed was not shown to be better than a coin, and none was run.
CREATE TABLE IF NOT EXISTS status_reports (
    snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, loop INTEGER NOT NULL, status VARCHAR NOT NULL,
    n_pool BIGINT, n_status_1 BIGINT, n_status_2 BIGINT, n_min BIGINT, n_kept BIGINT, reward_offset DOUBLE,
    thresholds VARCHAR, PRIMARY KEY (snapshot, recipe, loop)
);

-- A model that several snapshots share has a row in each. loop is NULL for a control.
CREATE TABLE IF NOT EXISTS reward_models (
    rm_version VARCHAR NOT NULL, snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, asset VARCHAR NOT NULL,
    loop INTEGER, parent_version VARCHAR, n_human BIGINT, n_pseudo BIGINT, random_seed BIGINT, train_seconds DOUBLE,
    promoted BOOLEAN NOT NULL, why VARCHAR, path VARCHAR NOT NULL, PRIMARY KEY (rm_version, snapshot, recipe)
);

CREATE TABLE IF NOT EXISTS evaluations (
    rm_version VARCHAR NOT NULL, split VARCHAR NOT NULL, metric VARCHAR NOT NULL, value DOUBLE,
    ci_low DOUBLE, ci_high DOUBLE, n BIGINT, artifact VARCHAR NOT NULL,
    PRIMARY KEY (artifact, rm_version, split, metric)
);

CREATE TABLE IF NOT EXISTS policies (
    policy_version VARCHAR NOT NULL, snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, asset VARCHAR NOT NULL,
    loop INTEGER, rm_version VARCHAR, algorithm VARCHAR NOT NULL, episodes BIGINT, mean_reward DOUBLE, kl DOUBLE,
    train_seconds DOUBLE, path VARCHAR NOT NULL, PRIMARY KEY (policy_version, snapshot, recipe)
);

CREATE TABLE IF NOT EXISTS policy_samples (
    policy_version VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, prompt VARCHAR NOT NULL, base_response VARCHAR,
    policy_response VARCHAR, base_reward DOUBLE, policy_reward DOUBLE, judge_base DOUBLE, judge_policy DOUBLE,
    outcome VARCHAR
);

-- Which artifact each asset was in the latest run of a recipe on a snapshot: the views follow these.
CREATE TABLE IF NOT EXISTS heads (
    snapshot VARCHAR NOT NULL, recipe VARCHAR NOT NULL, settings VARCHAR NOT NULL, dataset VARCHAR NOT NULL,
    asset VARCHAR NOT NULL, version VARCHAR NOT NULL, seconds DOUBLE, finished_at TIMESTAMP,
    PRIMARY KEY (snapshot, recipe, asset)
);

-- The Wilson score interval at 95 %; equal to ser.method.stats.wilson.
CREATE OR REPLACE MACRO wilson_low(k, n) AS CASE
    WHEN n = 0 OR k = 0 THEN 0.0
    ELSE (k / n + 3.841458820694124 / (2 * n)
        - 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 3.841458820694124 / (4.0 * n * n)))
        / (1 + 3.841458820694124 / n) END;
CREATE OR REPLACE MACRO wilson_high(k, n) AS CASE
    WHEN n = 0 OR k = n THEN 1.0
    ELSE (k / n + 3.841458820694124 / (2 * n)
        + 1.959963984540054 * sqrt(k / n * (1 - k / n) / n + 3.841458820694124 / (4.0 * n * n)))
        / (1 + 3.841458820694124 / n) END;

-- Confidence in tenths, 5 to 9: the bin [0.7, 0.8) is 7, and 1.0 belongs to 9.
CREATE OR REPLACE MACRO confidence_bin(c) AS least(9, greatest(5, CAST(floor(c * 10) AS INTEGER)));
