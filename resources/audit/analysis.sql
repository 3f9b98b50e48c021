-- What can be seen in the labels of an evolution. Intervals allow for groups: of pairs that are not alone in theirs
-- (tied_pairs) successes are counted per group first, of all others at once (tied is NULL).

CREATE OR REPLACE VIEW label_flips AS
SELECT s.evolution, s.snapshot, s.recipe, s.pair_id, s.from_loop, s.loop, s.from_preferred, s.preferred,
       s.from_confidence, s.confidence, s.kept, v.preferred AS vault,
       CASE WHEN v.preferred = s.preferred THEN 'mended' WHEN v.preferred IS NOT NULL THEN 'broken' END AS change
FROM self_labels s LEFT JOIN vault_choice v ON v.evolution = s.evolution AND v.pair_id = s.pair_id
WHERE s.from_preferred <> s.preferred;

CREATE OR REPLACE VIEW label_history AS
SELECT l.evolution, l.snapshot, l.recipe, l.pair_id, list(l.loop ORDER BY l.loop) AS loops,
       list(l.preferred ORDER BY l.loop) AS labels, list(l.confidence ORDER BY l.loop) AS confidences,
       list(l.rm_version ORDER BY l.loop) AS rm_versions, min(l.loop) FILTER (l.kept) AS kept_in_loop,
       count(*) FILTER (l.from_preferred <> l.preferred) AS n_flips, any_value(v.preferred) AS vault
FROM self_labels l LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
GROUP BY l.evolution, l.snapshot, l.recipe, l.pair_id;

-- Held-out pairs of each reward model, with whether it ranked them as people did (a tie is wrong).
CREATE OR REPLACE VIEW heldout_answers AS
SELECT s.evolution, s.rm_version, s.split, s.pair_id, s.confidence,
       is_right(s.reward_a, s.reward_b, s.preferred) AS correct, t.tied
FROM heldout_scores s LEFT JOIN tied_pairs t USING (pair_id);

-- Self-labels and held-out pairs counted by what the views below tell apart. n_vault: of which the vault knows the label.
CREATE OR REPLACE VIEW label_counts AS
SELECT l.evolution, l.loop, any_value(l.rm_version) AS rm_version, l.kept, confidence_bin(l.confidence) AS bin, t.tied,
       count(*) AS n_labels, count(v.preferred) AS n_vault, count(*) FILTER (v.preferred = l.preferred) AS right_vault
FROM self_labels l LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
LEFT JOIN tied_pairs t ON t.pair_id = l.pair_id AND v.preferred IS NOT NULL
GROUP BY l.evolution, l.loop, l.kept, confidence_bin(l.confidence), t.tied;

CREATE OR REPLACE VIEW heldout_counts AS
WITH grouped AS (
    SELECT evolution, rm_version, confidence_bin(confidence) AS bin, tied, count(*) AS n,
           count(*) FILTER (correct) AS correct
    FROM heldout_answers GROUP BY ALL
)
SELECT evolution, rm_version, bin, sum(n) AS n, sum(correct) AS correct, tied_effect(tied, correct, n) AS effect
FROM grouped GROUP BY ALL;

-- How often labels are right, per loop and confidence bin, and of all that were kept (bin is NULL).
CREATE OR REPLACE VIEW label_measurements AS
WITH scoped AS (
    SELECT * EXCLUDE (bin), unnest(CASE WHEN kept THEN ['all', 'kept', 'kept'] ELSE ['all'] END) AS labels,
           unnest(CASE WHEN kept THEN [bin, bin, NULL] ELSE [bin] END) AS bin
    FROM label_counts
),
grouped AS (
    SELECT evolution, loop, any_value(rm_version) AS rm_version, labels, bin, tied, sum(n_labels) AS n_labels,
           sum(n_vault) AS n_vault, sum(right_vault) AS right_vault
    FROM scoped GROUP BY evolution, loop, labels, bin, tied
),
counted AS (
    SELECT evolution, loop, any_value(rm_version) AS rm_version, labels, bin, CAST(sum(n_labels) AS BIGINT) AS n_labels,
           sum(n_vault) AS n_vault, sum(right_vault) AS right_vault, tied_effect(tied, right_vault, n_vault) AS effect
    FROM grouped GROUP BY evolution, loop, labels, bin
),
measured AS (
    SELECT c.* EXCLUDE (effect), has_vault, CAST(CASE WHEN has_vault THEN n_vault ELSE coalesce(h.n, 0) END AS BIGINT) AS n,
           CAST(CASE WHEN has_vault THEN right_vault ELSE coalesce(h.correct, 0) END AS BIGINT) AS correct,
           coalesce(CASE WHEN has_vault THEN c.effect ELSE h.effect END, 1.0) AS effect
    FROM (SELECT *, sum(n_vault) OVER (PARTITION BY evolution, loop) > 0 AS has_vault FROM counted) c
    LEFT JOIN heldout_counts h USING (evolution, rm_version, bin)
)
SELECT evolution, e.snapshot, e.recipe, loop, labels, bin, n_labels,
       CASE WHEN has_vault THEN 'vault' ELSE 'heldout' END AS measured_on, n, correct,
       CASE WHEN n > 0 THEN correct / n END AS "precision", n / effect AS n_effective,
       wilson_low(correct / effect, n / effect) AS ci_low, wilson_high(correct / effect, n / effect) AS ci_high
FROM measured JOIN evolutions e USING (evolution);

-- For the kept pairs and for all that were labelled. A loop of which no label is known in the vault is measured on held-out
-- pairs of the same confidence: measured_on says so.
CREATE OR REPLACE VIEW label_precision AS
SELECT evolution, snapshot, recipe, loop, labels, bin / 10.0 AS confidence_from, (bin + 1) / 10.0 AS confidence_to, n_labels,
       measured_on, n, correct, "precision", n_effective, ci_low, ci_high
FROM label_measurements WHERE bin IS NOT NULL;

-- Kept rate by length difference (characters of the preferred response minus the other; quartiles of a loop, equal
-- differences in one of them) and domain.
CREATE OR REPLACE VIEW selection_bias AS
WITH sizes AS (
    SELECT p.pair_id, coalesce(source, '(none)') AS source, length(response_a) - length(response_b) AS difference, u.tied
    FROM pairs p LEFT JOIN tied_units u USING (tied)
),
labelled AS (
    SELECT l.evolution, l.loop, s.source, s.tied, l.kept,
           CASE l.preferred WHEN 'a' THEN s.difference ELSE -s.difference END AS difference
    FROM self_labels l JOIN sizes s USING (pair_id)
),
-- Pairs that are alone in their group become few rows.
sized AS (
    SELECT evolution, loop, source, tied, difference, count(*) AS n, count(*) FILTER (kept) AS n_kept
    FROM labelled WHERE tied IS NULL GROUP BY ALL
    UNION ALL
    SELECT evolution, loop, source, tied, difference, 1, CAST(kept AS BIGINT) FROM labelled WHERE tied IS NOT NULL
),
-- The quartile of a difference is where the middle one of its pairs stands.
quartiles AS (
    SELECT evolution, loop, difference,
           least(4, 1 + CAST(floor(4 * (sum(sum(n)) OVER up_to - sum(n) / 2) / sum(sum(n)) OVER whole) AS INTEGER))
               AS quartile
    FROM sized GROUP BY evolution, loop, difference
    WINDOW whole AS (PARTITION BY evolution, loop), up_to AS (PARTITION BY evolution, loop ORDER BY difference)
),
grouped AS (
    SELECT evolution, loop, 'length difference' AS dimension, CAST(quartile AS VARCHAR) AS value, tied,
           sum(n) AS n, sum(n_kept) AS n_kept, min(difference) AS shortest, max(difference) AS longest
    FROM sized JOIN quartiles USING (evolution, loop, difference) GROUP BY evolution, loop, quartile, tied
    UNION ALL
    SELECT evolution, loop, 'domain', source, tied, sum(n), sum(n_kept), NULL, NULL
    FROM sized GROUP BY evolution, loop, source, tied
),
measured AS (
    SELECT evolution, loop, dimension,
           CASE dimension WHEN 'domain' THEN value
                ELSE format('Q{}: {} to {} characters', value, min(shortest), max(longest)) END AS value,
           CAST(sum(n) AS BIGINT) AS n, CAST(sum(n_kept) AS BIGINT) AS n_kept, tied_effect(tied, n_kept, n) AS effect
    FROM grouped GROUP BY evolution, loop, dimension, grouped.value
)
SELECT evolution, e.snapshot, e.recipe, m.* EXCLUDE (evolution, effect), n_kept / n AS kept_rate, n / effect AS n_effective,
       wilson_low(n_kept / effect, n / effect) AS ci_low, wilson_high(n_kept / effect, n / effect) AS ci_high
FROM measured m JOIN evolutions e USING (evolution);

-- A row per loop: its status and the reward model trained in it. Loop 0 is the seed, which has no status; a loop that
-- converged has no model. seconds: all stages of the loop; label_precision: of the kept labels (on held-out pairs it is
-- weighted by how many labels were kept at each confidence, and has no interval).
CREATE OR REPLACE VIEW loop_summary AS
WITH spent AS (
    SELECT evolution, loop, sum(seconds) AS seconds FROM current_artifacts
    WHERE loop IS NOT NULL AND asset NOT LIKE '%/ppo\_policy' ESCAPE '\' GROUP BY ALL
),
measured AS (
    SELECT evolution, rm_version, split, metric, value, ci_low, ci_high, n FROM evaluations
    WHERE metric IN ('accuracy', 'longer_wins') AND loop IS NOT NULL
),
kept AS (
    SELECT evolution, loop, any_value(measured_on) AS measured_on,
           sum("precision" * n_labels) FILTER (bin IS NOT NULL)
               / nullif(sum(n_labels) FILTER (bin IS NOT NULL AND n > 0), 0) AS weighted,
           any_value("precision") FILTER (bin IS NULL) AS known, any_value(ci_low) FILTER (bin IS NULL AND n > 0) AS ci_low,
           any_value(ci_high) FILTER (bin IS NULL AND n > 0) AS ci_high
    FROM label_measurements WHERE labels = 'kept' GROUP BY evolution, loop
),
loops AS (
    SELECT coalesce(m.evolution, s.evolution) AS evolution, coalesce(m.snapshot, s.snapshot) AS snapshot,
           coalesce(m.recipe, s.recipe) AS recipe, coalesce(m.loop, s.loop) AS loop, s.status, s.ends, s.n_pool, s.n_kept,
           s.promised, m.rm_version, m.n_human, m.train_seconds, coalesce(m.promoted, false) AS promoted, m.why
    FROM (FROM reward_models WHERE loop IS NOT NULL AND member_of IS NULL) m
    FULL JOIN status_reports s ON s.evolution = m.evolution AND s.loop = m.loop
)
SELECT l.evolution, l.snapshot, l.recipe, l.loop, l.status, l.ends, l.n_pool, l.n_kept, l.rm_version, l.promised,
       t.value AS test_accuracy, t.ci_low AS test_ci_low, t.ci_high AS test_ci_high, t.n AS test_n,
       b.value AS longer_wins, b.ci_low AS longer_wins_ci_low, b.ci_high AS longer_wins_ci_high, l.n_human,
       c.value AS calibration_accuracy, c.ci_low AS calibration_ci_low, c.ci_high AS calibration_ci_high,
       CASE k.measured_on WHEN 'vault' THEN k.known WHEN 'heldout' THEN k.weighted END AS label_precision,
       k.ci_low AS label_ci_low, k.ci_high AS label_ci_high,
       k.measured_on AS label_measured_on, l.train_seconds, x.seconds, l.promoted, l.why
FROM loops l
LEFT JOIN spent x ON x.evolution = l.evolution AND x.loop = l.loop
LEFT JOIN kept k ON k.evolution = l.evolution AND k.loop = l.loop
LEFT JOIN measured t ON t.evolution = l.evolution AND t.rm_version = l.rm_version AND t.split = 'test' AND t.metric = 'accuracy'
LEFT JOIN measured b ON b.evolution = l.evolution AND b.rm_version = l.rm_version AND b.split = 'test'
    AND b.metric = 'longer_wins'
LEFT JOIN measured c ON c.evolution = l.evolution AND c.rm_version = l.rm_version AND c.split = 'calibration'
    AND c.metric = 'accuracy';

-- The controls that there can be, with the question that each answers, as the asset's description says it.
CREATE OR REPLACE VIEW control_kinds AS
SELECT * FROM (VALUES
    (1, 'controls/full_label_rm', true, 'how good is a model of all human labels (the ceiling)?'),
    (2, 'controls/more_steps_rm', false, 'is it only longer training?'),
    (3, 'controls/naive_self_training_rm', false, 'does selection matter?'),
    (4, 'controls/true_label_rm', true, 'what would right labels have given?'),
    (5, 'controls/seed_ensemble_rm', false, 'is it only ensembling?'),
    (6, 'controls/half_seed_rm', false, 'does the model still learn from more labels?')
) AS k(number, control, needs_vault, question);

-- What a model gains over another on the same test pairs: each loop and each control over the seed, and the last loop over
-- each control (over naive self-training, which is one loop, loop 1). mended: pairs that `over` ranks wrong and `model` right.
CREATE OR REPLACE VIEW paired_gains AS
WITH scored AS (
    SELECT evolution, regexp_replace(asset, '\.heldout$', '') AS model, loop, version,
           regexp_replace(asset, '\.heldout$', '') IN (SELECT control FROM control_kinds) AS is_control
    FROM current_artifacts WHERE asset LIKE '%.heldout'
),
compared AS (
    SELECT m.evolution, b.model AS over, m.model, m.loop, b.version AS before, m.version AS after
    FROM scored m JOIN scored b ON b.evolution = m.evolution AND b.model = 'seed_rm'
    WHERE m.loop > 0 OR m.is_control
    UNION ALL
    SELECT m.evolution, b.model, m.model, m.loop, b.version, m.version
    FROM scored m JOIN scored b ON b.evolution = m.evolution AND b.is_control WHERE m.loop > 0
    QUALIFY m.loop = CASE b.model WHEN 'controls/naive_self_training_rm' THEN 1
                     ELSE max(m.loop) OVER (PARTITION BY m.evolution) END
),
changes AS (
    SELECT m.evolution, m.over, m.model, m.loop, t.tied, is_right(a.reward_a, a.reward_b, a.preferred) AS after,
           is_right(b.reward_a, b.reward_b, b.preferred) AS before
    FROM compared m JOIN heldout_facts b ON b.version = m.before AND b.split = 'test'
    JOIN heldout_facts a ON a.version = m.after AND a.split = 'test' AND a.pair_id = b.pair_id
    LEFT JOIN tied_pairs t ON t.pair_id = b.pair_id
),
grouped AS (
    SELECT evolution, over, model, loop, tied, count(*) AS n, count(*) FILTER (after AND NOT before) AS up,
           count(*) FILTER (before AND NOT after) AS down
    FROM changes GROUP BY evolution, over, model, loop, tied
),
measured AS (
    SELECT evolution, over, model, loop, CAST(sum(n) AS BIGINT) AS n, CAST(sum(up) AS BIGINT) AS mended,
           CAST(sum(down) AS BIGINT) AS broken, tied_mean_effect(tied, up - down, up + down, n) AS effect
    FROM grouped GROUP BY evolution, over, model, loop
)
SELECT evolution, over, model, loop, n, mended, broken, (mended - broken) / n AS gain,
       gain_low(mended, broken, n, effect) AS gain_low, gain_high(mended, broken, n, effect) AS gain_high
FROM measured;

CREATE OR REPLACE VIEW gains_over_seed AS SELECT * EXCLUDE (over) FROM paired_gains WHERE over = 'seed_rm';

-- A row for each control that there can be, made or not. seed_gain: of the control over the seed; loop_gain: of `loop`
-- over the control; both on the test pairs.
CREATE OR REPLACE VIEW controls AS
SELECT e.evolution, e.snapshot, e.recipe, k.number, k.control, k.question,
       CASE WHEN m.version IS NOT NULL THEN 'made'
            WHEN k.needs_vault AND d.version IS NOT NULL AND v.evolution IS NULL THEN 'no human label of the pool is known'
            ELSE 'not made' END AS state,
       m.version AS rm_version, a.value AS accuracy, a.ci_low, a.ci_high, a.n, s.gain AS seed_gain,
       s.gain_low AS seed_gain_low, s.gain_high AS seed_gain_high, l.loop, l.gain AS loop_gain,
       l.gain_low AS loop_gain_low, l.gain_high AS loop_gain_high
FROM evolutions e CROSS JOIN control_kinds k
LEFT JOIN current_artifacts m ON m.evolution = e.evolution AND m.asset = k.control
LEFT JOIN current_artifacts h ON h.evolution = e.evolution AND h.asset = k.control || '.heldout'
LEFT JOIN evaluation_facts a ON a.version = h.version AND a.split = 'test' AND a.metric = 'accuracy'
LEFT JOIN gains_over_seed s ON s.evolution = e.evolution AND s.model = k.control
LEFT JOIN paired_gains l ON l.evolution = e.evolution AND l.over = k.control
LEFT JOIN current_artifacts d ON d.evolution = e.evolution AND d.asset = 'splits'
LEFT JOIN (SELECT DISTINCT evolution FROM roles WHERE in_vault) v ON v.evolution = e.evolution;
