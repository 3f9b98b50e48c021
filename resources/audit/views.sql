-- Views of the audit database. Rows of a snapshot and recipe are those of their latest run (table heads).

-- The human choice for a pair of a dataset, as ser.data.role_assignment decides it: most votes; when they are even, none. Reviews
-- do not count: their pairs were chosen, and what is measured must not change by that.
CREATE OR REPLACE VIEW human_choice AS
SELECT pair_id, if(2 * count(*) FILTER (preferred = 'a') > count(*), 'a', 'b') AS preferred, count(*) AS n_labels, dataset
FROM human_labels WHERE origin = 'landed' GROUP BY dataset, pair_id
HAVING 2 * count(*) FILTER (preferred = 'a') <> count(*);

-- The choices of the vault.
CREATE OR REPLACE VIEW vault_choice AS
SELECT r.snapshot, r.recipe, r.pair_id, c.preferred
FROM roles r JOIN (SELECT DISTINCT snapshot, recipe, dataset FROM heads) d USING (snapshot, recipe)
JOIN human_choice c ON c.dataset = d.dataset AND c.pair_id = r.pair_id
WHERE r.in_vault;

CREATE OR REPLACE VIEW label_flips AS
SELECT s.snapshot, s.recipe, s.pair_id, s.from_loop, s.loop, s.from_preferred, s.preferred,
       s.from_confidence, s.confidence, s.kept, v.preferred AS vault,
       CASE WHEN v.preferred = s.preferred THEN 'mended' WHEN v.preferred IS NOT NULL THEN 'broken' END AS change
FROM self_labels s LEFT JOIN vault_choice v ON v.snapshot = s.snapshot AND v.recipe = s.recipe AND v.pair_id = s.pair_id
WHERE s.from_preferred <> s.preferred;

CREATE OR REPLACE VIEW label_history AS
SELECT l.snapshot, l.recipe, l.pair_id, list(l.loop ORDER BY l.loop) AS loops,
       list(l.preferred ORDER BY l.loop) AS labels, list(l.confidence ORDER BY l.loop) AS confidences,
       list(l.rm_version ORDER BY l.loop) AS rm_versions, min(l.loop) FILTER (l.kept) AS kept_in_loop,
       count(*) FILTER (l.from_preferred <> l.preferred) AS n_flips, any_value(v.preferred) AS vault
FROM self_labels l
LEFT JOIN vault_choice v ON v.snapshot = l.snapshot AND v.recipe = l.recipe AND v.pair_id = l.pair_id
GROUP BY l.snapshot, l.recipe, l.pair_id;

-- Held-out pairs of each reward model of a snapshot, with whether it ranked them as people did (a tie is wrong).
CREATE OR REPLACE VIEW heldout_answers AS
SELECT h.snapshot, h.recipe, s.rm_version, s.split, s.pair_id, s.confidence,
       s.reward_a <> s.reward_b AND (s.reward_a > s.reward_b) = (c.preferred = 'a') AS correct
FROM heads h JOIN heldout_scores s ON s.artifact = h.version
JOIN human_choice c ON c.dataset = h.dataset AND c.pair_id = s.pair_id;

-- How often labels are right, per loop and confidence, for the kept pairs and for all that were labelled. A loop
-- of which no label is known in the vault is measured on held-out pairs of the same confidence: measured_on says so.
CREATE OR REPLACE VIEW label_precision AS
WITH known AS (
    SELECT l.snapshot, l.recipe, l.loop, l.rm_version, l.kept, confidence_bin(l.confidence) AS bin,
           v.preferred = l.preferred AS correct
    FROM self_labels l LEFT JOIN vault_choice v ON v.snapshot = l.snapshot AND v.recipe = l.recipe AND v.pair_id = l.pair_id
),
scoped AS (
    SELECT 'all' AS labels, * FROM known UNION ALL SELECT 'kept' AS labels, * FROM known WHERE kept
),
counted AS (
    SELECT snapshot, recipe, loop, rm_version, labels, bin, count(*) AS n_labels, count(correct) AS n_vault,
           count(*) FILTER (correct) AS right_vault
    FROM scoped GROUP BY ALL
),
heldout AS (
    SELECT snapshot, recipe, rm_version, confidence_bin(confidence) AS bin, count(*) AS n,
           count(*) FILTER (correct) AS right
    FROM heldout_answers GROUP BY ALL
),
measured AS (
    SELECT c.*, has_vault, CASE WHEN has_vault THEN n_vault ELSE coalesce(h.n, 0) END AS n,
           CASE WHEN has_vault THEN right_vault ELSE coalesce(h.right, 0) END AS correct
    FROM (SELECT *, sum(n_vault) OVER (PARTITION BY snapshot, recipe, loop) > 0 AS has_vault FROM counted) c
    LEFT JOIN heldout h USING (snapshot, recipe, rm_version, bin)
)
SELECT snapshot, recipe, loop, labels, bin / 10.0 AS confidence_from, (bin + 1) / 10.0 AS confidence_to, n_labels,
       CASE WHEN has_vault THEN 'vault' ELSE 'heldout' END AS measured_on, n, correct,
       CASE WHEN n > 0 THEN correct / n END AS "precision",
       wilson_low(correct, n) AS ci_low, wilson_high(correct, n) AS ci_high
FROM measured;

-- Kept rate by length difference (characters of the preferred response minus the other; quartiles of a loop, equal
-- differences in one of them) and domain. Counted first per difference, of which there are few.
CREATE OR REPLACE VIEW selection_bias AS
WITH sizes AS (
    SELECT pair_id, coalesce(source, '(none)') AS source, length(response_a) - length(response_b) AS difference FROM pairs
),
counted AS (
    SELECT l.snapshot, l.recipe, l.loop, s.source,
           CASE l.preferred WHEN 'a' THEN s.difference ELSE -s.difference END AS difference,
           count(*) AS n, count(*) FILTER (l.kept) AS n_kept
    FROM self_labels l JOIN sizes s USING (pair_id) GROUP BY ALL
),
differences AS (
    SELECT snapshot, recipe, loop, difference, sum(n) AS n, sum(n_kept) AS n_kept,
           sum(sum(n)) OVER (PARTITION BY snapshot, recipe, loop ORDER BY difference) AS up_to,
           sum(sum(n)) OVER (PARTITION BY snapshot, recipe, loop) AS total
    FROM counted GROUP BY snapshot, recipe, loop, difference
),
-- The quartile of a difference is where the middle one of its pairs stands.
quartiles AS (
    SELECT *, least(4, 1 + CAST(floor(4 * (up_to - n / 2) / total) AS INTEGER)) AS quartile FROM differences
),
grouped AS (
    SELECT snapshot, recipe, loop, 'length difference' AS dimension,
           format('Q{}: {} to {} characters', quartile, min(difference), max(difference)) AS value,
           CAST(sum(n) AS BIGINT) AS n, CAST(sum(n_kept) AS BIGINT) AS n_kept
    FROM quartiles GROUP BY snapshot, recipe, loop, quartile
    UNION ALL
    SELECT snapshot, recipe, loop, 'domain', source, CAST(sum(n) AS BIGINT), CAST(sum(n_kept) AS BIGINT)
    FROM counted GROUP BY snapshot, recipe, loop, source
)
SELECT *, n_kept / n AS kept_rate, wilson_low(n_kept, n) AS ci_low, wilson_high(n_kept, n) AS ci_high FROM grouped;

-- A row per loop: its status and the reward model trained in it. Loop 0 is the seed, which has no status; a loop
-- that converged has no model. seconds: all stages of the loop; label_precision: of the kept labels (on held-out
-- pairs it is weighted by how many labels were kept at each confidence, and has no interval).
CREATE OR REPLACE VIEW loop_summary AS
WITH models AS (
    SELECT m.* FROM reward_models m
    JOIN heads h ON h.snapshot = m.snapshot AND h.recipe = m.recipe AND h.asset = m.asset AND h.version = m.rm_version
    WHERE m.loop IS NOT NULL
),
spent AS (
    SELECT snapshot, recipe, sum(seconds) AS seconds,
           CASE WHEN asset LIKE 'loop\_%' ESCAPE '\' THEN CAST(regexp_extract(asset, 'loop_(\d+)/', 1) AS INTEGER)
                ELSE 0 END AS loop
    FROM heads
    WHERE asset IN ('seed_rm', 'seed_rm.heldout')
       OR (asset LIKE 'loop\_%' ESCAPE '\' AND asset NOT LIKE '%/ppo\_policy' ESCAPE '\')
    GROUP BY ALL
),
measured AS (
    SELECT h.snapshot, h.recipe, e.rm_version, e.split, e.value, e.ci_low, e.ci_high, e.n
    FROM heads h JOIN evaluations e ON e.artifact = h.version
    WHERE e.metric = 'accuracy'
),
-- How often the longer response is the preferred one, on the same pairs: what an accuracy is to be compared with.
longer AS (
    SELECT h.snapshot, h.recipe, e.rm_version, e.value, e.ci_low, e.ci_high
    FROM heads h JOIN evaluations e ON e.artifact = h.version
    WHERE e.metric = 'longer_wins' AND e.split = 'test'
),
kept AS (
    SELECT snapshot, recipe, loop, any_value(measured_on) AS measured_on, sum(n) AS n, sum(correct) AS correct,
           sum("precision" * n_labels) / nullif(sum(n_labels) FILTER (n > 0), 0) AS weighted
    FROM label_precision WHERE labels = 'kept' GROUP BY ALL
)
SELECT coalesce(m.snapshot, s.snapshot) AS snapshot, coalesce(m.recipe, s.recipe) AS recipe,
       coalesce(m.loop, s.loop) AS loop, s.status, s.n_pool, s.n_kept, m.rm_version, t.value AS test_accuracy,
       t.ci_low AS test_ci_low, t.ci_high AS test_ci_high, t.n AS test_n, b.value AS longer_wins, b.ci_low AS longer_wins_ci_low,
       b.ci_high AS longer_wins_ci_high, m.n_human, c.value AS calibration_accuracy,
       c.ci_low AS calibration_ci_low, c.ci_high AS calibration_ci_high,
       CASE WHEN k.measured_on = 'vault' AND k.n > 0 THEN k.correct / k.n
            WHEN k.measured_on = 'heldout' THEN k.weighted END AS label_precision,
       CASE WHEN k.measured_on = 'vault' AND k.n > 0 THEN wilson_low(k.correct, k.n) END AS label_ci_low,
       CASE WHEN k.measured_on = 'vault' AND k.n > 0 THEN wilson_high(k.correct, k.n) END AS label_ci_high,
       k.measured_on AS label_measured_on, m.train_seconds, x.seconds, coalesce(m.promoted, false) AS promoted, m.why
FROM models m
FULL JOIN status_reports s ON s.snapshot = m.snapshot AND s.recipe = m.recipe AND s.loop = m.loop
LEFT JOIN spent x ON x.snapshot = coalesce(m.snapshot, s.snapshot) AND x.recipe = coalesce(m.recipe, s.recipe)
    AND x.loop = coalesce(m.loop, s.loop)
LEFT JOIN kept k ON k.snapshot = s.snapshot AND k.recipe = s.recipe AND k.loop = s.loop
LEFT JOIN measured t ON t.snapshot = m.snapshot AND t.recipe = m.recipe AND t.rm_version = m.rm_version AND t.split = 'test'
LEFT JOIN longer b ON b.snapshot = m.snapshot AND b.recipe = m.recipe AND b.rm_version = m.rm_version
LEFT JOIN measured c ON c.snapshot = m.snapshot AND c.recipe = m.recipe AND c.rm_version = m.rm_version AND c.split = 'calibration';
