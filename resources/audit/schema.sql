-- Tables of the audit database. Facts are of artifacts, which are named by their content: each is stored once, however
-- many evolutions share it, and none is changed later. evolution_artifacts says which evolution has which artifact; what
-- an evolution shows are views over both (views.sql). Loop 0 is the seed. Rewards are raw model
-- outputs; p is sigmoid(reward - reward_offset of the loop). The parquet artifacts are the truth; this is their copy.

CREATE TABLE about (schema_version VARCHAR NOT NULL, tool_version VARCHAR NOT NULL, synced_at TIMESTAMPTZ);

-- tied: a hash of the unit that the pair's role was drawn with: its group, or else its dialogue. Such pairs are right or
-- wrong together, and intervals allow for it. fold_number: under label_with = unseen, teacher f of n is not trained on the
-- machine labels of pairs whose fold_number % n is f.
CREATE TABLE pairs (
    pair_id VARCHAR NOT NULL, dataset VARCHAR NOT NULL, prompt VARCHAR NOT NULL, response_a VARCHAR NOT NULL,
    response_b VARCHAR NOT NULL, source VARCHAR, "group" VARCHAR, landed_at TIMESTAMPTZ, first_number BIGINT,
    tied UBIGINT NOT NULL, fold_number BIGINT NOT NULL
);

-- number: 1 for the first that a dataset had. pairs.first_number is that of the first snapshot with the pair.
CREATE TABLE snapshots (
    snapshot VARCHAR NOT NULL, dataset VARCHAR NOT NULL, number BIGINT NOT NULL, n_pairs BIGINT NOT NULL,
    n_labelled BIGINT NOT NULL, landed_at TIMESTAMPTZ NOT NULL
);

-- Two datasets may have the same pair, with other labels. origin: landed, or review (the pair was chosen for it).
CREATE TABLE human_labels (
    pair_id VARCHAR NOT NULL, preferred VARCHAR NOT NULL, annotator VARCHAR NOT NULL, origin VARCHAR NOT NULL,
    labelled_at TIMESTAMPTZ, dataset VARCHAR NOT NULL
);

-- One snapshot under one set of settings. state: finished (a reward model is promoted) or unfinished. promoted_by: the
-- person who did it by hand. verdict: shown, not_shown, worse, gate_not_shown. gain_calibration: what the last loop
-- gained over the seed, which was decided on, in the unit of the promotion's statistic; detectable: the smallest gain
-- that these pairs show with 80 % power; needed: calibration pairs that 2 points would need. gain_test: what the
-- promoted loop, or else the last, gained on test pairs. executed_at: when its last execution began; started_at and
-- finished_at: of the first and the last of its artifacts, which may be of other evolutions too.
CREATE TABLE evolutions (
    evolution VARCHAR NOT NULL, name VARCHAR, snapshot VARCHAR NOT NULL, dataset VARCHAR NOT NULL,
    settings_digest VARCHAR NOT NULL, settings JSON NOT NULL, recipe VARCHAR NOT NULL, preset VARCHAR NOT NULL,
    backbone VARCHAR NOT NULL, random_seed BIGINT NOT NULL, draw BIGINT NOT NULL, state VARCHAR NOT NULL,
    promoted_loop INTEGER, promoted_rm VARCHAR, promoted_by VARCHAR, verdict VARCHAR, gain_calibration DOUBLE,
    gain_calibration_low DOUBLE, gain_calibration_high DOUBLE, gain_test DOUBLE, gain_test_low DOUBLE,
    gain_test_high DOUBLE, detectable DOUBLE, needed BIGINT, why VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ,
    executed_at TIMESTAMPTZ
);

-- current: whether the asset of the evolution is this artifact now, or was it before it was made anew.
CREATE TABLE evolution_artifacts (
    evolution VARCHAR NOT NULL, asset VARCHAR NOT NULL, version VARCHAR NOT NULL, current BOOLEAN NOT NULL,
    run_id VARCHAR, seconds DOUBLE, finished_at TIMESTAMPTZ
);

-- What made each artifact, and of what: code, commit (dirty: with changes that no commit has), packages, device, the
-- stage's spec, and the inputs by version, file and SHA-256.
CREATE TABLE artifacts (
    version VARCHAR NOT NULL, asset VARCHAR NOT NULL, stage VARCHAR, code VARCHAR, run_id VARCHAR, git_commit VARCHAR,
    dirty BOOLEAN, packages JSON, device VARCHAR, spec JSON, inputs JSON, files JSON, seconds DOUBLE, cpu_seconds DOUBLE,
    peak_memory BIGINT, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ
);

-- What each pair was used for, by the versions of splits and encoded_pairs (which leaves out what does not fit; '' before
-- it was made). in_vault: its label is known, and was kept from all that learns.
CREATE TABLE role_facts (
    splits VARCHAR NOT NULL, encoded VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, role VARCHAR NOT NULL,
    in_vault BOOLEAN NOT NULL
);

-- A scoring of a pool pair with what was decided about it. labels, decision, earlier: the versions of the self-labels, of
-- what decided (filtered_pairs, or the status report of a loop that converged; '' before that) and of the self-labels of
-- the loop before ('' in loop 1). from_*: what these said of the pair, so that a changed label is seen without a sort.
CREATE TABLE self_label_facts (
    labels VARCHAR NOT NULL, decision VARCHAR NOT NULL, earlier VARCHAR NOT NULL, pair_id VARCHAR NOT NULL,
    rm_version VARCHAR NOT NULL, reward_a DOUBLE, reward_b DOUBLE, p_a DOUBLE, p_b DOUBLE, spread DOUBLE,
    confidence DOUBLE, preferred VARCHAR NOT NULL, rule VARCHAR NOT NULL, kept BOOLEAN NOT NULL, reason VARCHAR,
    target DOUBLE NOT NULL, weight DOUBLE NOT NULL, run_id VARCHAR, scored_at TIMESTAMPTZ, from_preferred VARCHAR,
    from_confidence DOUBLE
);

-- preferred: what people said of the pair when it was scored.
CREATE TABLE heldout_facts (
    version VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, split VARCHAR NOT NULL, preferred VARCHAR NOT NULL,
    reward_a DOUBLE, reward_b DOUBLE, confidence DOUBLE
);

-- cut: the confidence that a kept pair exceeds. promised, expected_precision, expected_low: of the labels above it, the
-- share that has to be right, the share that was expected to be, and its one-sided bound. why: in words.
CREATE TABLE status_facts (
    version VARCHAR NOT NULL, status VARCHAR NOT NULL, n_pool BIGINT, n_status_1 BIGINT, n_status_2 BIGINT,
    n_min BIGINT, reward_offset DOUBLE, thresholds JSON, ends BOOLEAN NOT NULL, cut DOUBLE, promised DOUBLE,
    expected_precision DOUBLE, expected_low DOUBLE, why VARCHAR NOT NULL
);

CREATE TABLE selection_facts (version VARCHAR NOT NULL, n_kept BIGINT NOT NULL);

CREATE TABLE reward_model_facts (
    version VARCHAR NOT NULL, parent_version VARCHAR, n_human BIGINT, n_pseudo BIGINT, random_seed BIGINT,
    train_seconds DOUBLE, device VARCHAR
);

-- What a reward model was trained on, a row for each table of labels; in a pair of several the last one counts. kind: seed,
-- calibration, test, vault (human labels of these pairs); selected (what the decision `source` kept), labelled (all labels
-- of the self-labels `source`), true_labels (the vault's labels of what the decision `source` kept). Of machine labels those
-- with fold_number % folds = left_fold are passed over. left_out: the halves of the seed of which one is.
CREATE TABLE training_facts (
    version VARCHAR NOT NULL, position INTEGER NOT NULL, kind VARCHAR NOT NULL, source VARCHAR NOT NULL, loop INTEGER,
    folds INTEGER, left_fold INTEGER, left_out VARCHAR
);

CREATE TABLE half_facts (version VARCHAR NOT NULL, pair_id VARCHAR NOT NULL);

CREATE TABLE evaluation_facts (
    version VARCHAR NOT NULL, split VARCHAR NOT NULL, metric VARCHAR NOT NULL, value DOUBLE, ci_low DOUBLE,
    ci_high DOUBLE, n BIGINT
);

-- promoted_by, reason: the person who promoted it by hand, and why; ruled_loop: what the rule would have promoted.
CREATE TABLE promotion_facts (
    version VARCHAR NOT NULL, promoted_loop INTEGER NOT NULL, rm_version VARCHAR NOT NULL, verdict VARCHAR NOT NULL,
    promoted_by VARCHAR, reason VARCHAR, ruled_loop INTEGER, why VARCHAR NOT NULL
);

CREATE TABLE policy_facts (
    version VARCHAR NOT NULL, rm_version VARCHAR, algorithm VARCHAR NOT NULL, episodes BIGINT, mean_reward DOUBLE,
    kl DOUBLE, train_seconds DOUBLE
);

-- Step by step: means over the responses of a step; mean_score is the reward model's, mean_reward less the KL penalty.
CREATE TABLE policy_step_facts (
    version VARCHAR NOT NULL, step BIGINT NOT NULL, episodes BIGINT, mean_reward DOUBLE, mean_score DOUBLE, mean_kl DOUBLE,
    kl_weight DOUBLE, policy_loss DOUBLE, value_loss DOUBLE, entropy DOUBLE, clip_fraction DOUBLE, mean_length DOUBLE
);

CREATE TABLE policy_sample_facts (
    version VARCHAR NOT NULL, pair_id VARCHAR NOT NULL, prompt VARCHAR NOT NULL, base_response VARCHAR,
    policy_response VARCHAR, base_reward DOUBLE, policy_reward DOUBLE, judge_base DOUBLE, judge_policy DOUBLE,
    outcome VARCHAR
);

-- Derived from the facts above (resources.audit.derived), and so no copy of an artifact. The temperature of held-out
-- scores that fits the calibration pairs of all folds but this one.
CREATE TABLE temperature_facts (version VARCHAR NOT NULL, fold INTEGER NOT NULL, temperature DOUBLE NOT NULL);

-- How well a classifier tells the human-labelled pairs from the pool, of at most so many of each; auc: NULL where there
-- are too few.
CREATE TABLE shift_facts (
    splits VARCHAR NOT NULL, encoded VARCHAR NOT NULL, n_human BIGINT NOT NULL, n_pool BIGINT NOT NULL, auc DOUBLE,
    ci_low DOUBLE, ci_high DOUBLE
);
