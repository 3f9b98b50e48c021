-- Whether what people have labelled stands for what machines label.

-- How far the means of the seed RM's |reward_a - reward_b| are apart, in standard deviations of those of the calibration and
-- test pairs, with a 95 % interval that allows for groups; of the pool as loop 1 labelled it.
CREATE OR REPLACE VIEW pool_margins AS
WITH margins AS (
    SELECT evolution, 'human' AS side, pair_id, abs(reward_a - reward_b) AS margin FROM heldout_scores WHERE loop = 0
    UNION ALL
    SELECT evolution, 'pool', pair_id, abs(reward_a - reward_b) FROM self_labels WHERE loop = 1
),
grouped AS (
    SELECT m.evolution, m.side, count(*) AS n, sum(m.margin) AS total, sum(m.margin * m.margin) AS squares
    FROM margins m JOIN pairs p ON p.pair_id = m.pair_id GROUP BY m.evolution, m.side, p.tied
),
means AS (
    SELECT evolution, side, sum(n) AS n, sum(total) / sum(n) AS mean, count(*) AS tied,
           sqrt(greatest(0, sum(squares) - sum(total) * sum(total) / sum(n)) / nullif(sum(n) - 1, 0)) AS deviation
    FROM grouped GROUP BY evolution, side
),
errors AS (
    SELECT m.evolution, m.side, any_value(m.mean) AS mean, any_value(m.n) AS n, any_value(m.deviation) AS deviation,
           sum(pow(g.total - g.n * m.mean, 2)) / pow(any_value(m.n), 2)
               * any_value(m.tied) / nullif(any_value(m.tied) - 1, 0) AS variance
    FROM grouped g JOIN means m USING (evolution, side) GROUP BY m.evolution, m.side
)
SELECT h.evolution, h.mean AS human, p.mean AS pool, CAST(h.n AS BIGINT) AS n_human, CAST(p.n AS BIGINT) AS n_pool,
       (p.mean - h.mean) / nullif(h.deviation, 0) AS apart,
       apart - 1.96 * sqrt(h.variance + p.variance) / nullif(h.deviation, 0) AS apart_low,
       apart + 1.96 * sqrt(h.variance + p.variance) / nullif(h.deviation, 0) AS apart_high
FROM errors h JOIN errors p ON p.evolution = h.evolution AND p.side = 'pool'
WHERE h.side = 'human' AND least(h.n, p.n) >= 40;

-- Whether the human-labelled pairs (seed, calibration, test) and the pool can be told apart by their texts and sources, and
-- by the seed RM's margins.
CREATE OR REPLACE VIEW pool_shift AS
SELECT s.evolution, s.snapshot, s.recipe, f.n_human, f.n_pool, f.auc, f.ci_low, f.ci_high, m.apart AS margins_apart,
       m.apart_low AS margins_low, m.apart_high AS margins_high
FROM current_artifacts s
LEFT JOIN pool_margins m ON m.evolution = s.evolution
LEFT JOIN current_artifacts e ON e.evolution = s.evolution AND e.asset = 'encoded_pairs'
JOIN shift_facts f ON f.splits = s.version AND f.encoded = coalesce(e.version, '')
WHERE s.asset = 'splits';

-- In what the two differ. seed margin: |reward_a - reward_b| by the seed RM, which was trained on neither: of calibration
-- and test pairs, and of the pool as loop 1 labelled it.
CREATE OR REPLACE VIEW pool_comparison AS
WITH sided AS (
    SELECT r.evolution, CASE r.role WHEN 'pool' THEN 'pool' ELSE 'human' END AS side, p.source, length(p.prompt) AS prompt,
           (length(p.response_a) + length(p.response_b)) / 2 AS response,
           abs(length(p.response_a) - length(p.response_b)) AS apart
    FROM roles r JOIN pairs p ON p.pair_id = r.pair_id WHERE r.role <> 'unused'
),
texts AS (
    SELECT evolution, side, count(*) AS n, unnest(['characters of the prompt', 'characters of a response',
           'characters between the two responses']) AS measure, unnest([avg(prompt), avg(response), avg(apart)]) AS value
    FROM sided GROUP BY evolution, side
),
sources AS (
    SELECT evolution, side, sum(count(*)) OVER (PARTITION BY evolution, side) AS n,
           'share of ' || coalesce(source, '(none)') AS measure,
           count(*) / sum(count(*)) OVER (PARTITION BY evolution, side) AS value
    FROM sided GROUP BY evolution, side, source
),
margins AS (
    SELECT evolution, 'human' AS side, count(*) AS n, avg(abs(reward_a - reward_b)) AS value
    FROM heldout_scores WHERE loop = 0 GROUP BY evolution
    UNION ALL
    SELECT evolution, 'pool', count(*), avg(abs(reward_a - reward_b)) FROM self_labels WHERE loop = 1 GROUP BY evolution
),
every AS (
    SELECT evolution, side, n, measure, value FROM texts
    UNION ALL
    SELECT evolution, side, n, measure, value FROM sources
    UNION ALL
    SELECT evolution, side, n, 'seed margin', value FROM margins
)
SELECT evolution, measure, any_value(value) FILTER (side = 'human') AS human,
       any_value(value) FILTER (side = 'pool') AS pool,
       CAST(any_value(n) FILTER (side = 'human') AS BIGINT) AS n_human,
       CAST(any_value(n) FILTER (side = 'pool') AS BIGINT) AS n_pool
FROM every GROUP BY evolution, measure;
