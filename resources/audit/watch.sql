-- Whether self-training drifts: what is watched in every loop. Intervals allow for groups, as in analysis.sql.

-- Held-out pairs with a confidence that was not fitted on them: test pairs at the temperature of the calibration pairs,
-- calibration pairs at one that was fitted on the other folds (where there are any).
CREATE OR REPLACE VIEW heldout_confidences AS
SELECT h.evolution, h.snapshot, h.recipe, m.loop, m.version AS rm_version, f.split, f.pair_id,
       CASE f.split WHEN 'test' THEN f.confidence
            ELSE 1 / (1 + exp(-abs(f.reward_a - f.reward_b) / c.temperature)) END AS confidence,
       f.reward_a <> f.reward_b AND (f.reward_a > f.reward_b) = (f.preferred = 'a') AS correct, t.tied
FROM current_artifacts h
JOIN current_artifacts m ON m.evolution = h.evolution AND h.asset = m.asset || '.heldout' AND m.loop IS NOT NULL
JOIN heldout_facts f ON f.version = h.version
LEFT JOIN pairs p ON p.pair_id = f.pair_id
LEFT JOIN tied_units t ON t.tied = p.tied
LEFT JOIN temperature_facts c ON c.version = h.version AND c.fold = temperature_fold(p.tied, f.pair_id)
WHERE f.split = 'test' OR c.temperature IS NOT NULL;

-- Accuracy by confidence, in ten bins from 0.5 to 1 as for the ECE. temperature: where confidence comes from.
CREATE OR REPLACE VIEW reliability_bins AS
WITH grouped AS (
    SELECT evolution, any_value(snapshot) AS snapshot, any_value(recipe) AS recipe, loop, rm_version, split,
           least(9, CAST(floor((confidence - 0.5) * 20) AS INTEGER)) AS bin, tied, count(*) AS n,
           count(*) FILTER (correct) AS correct, sum(confidence) AS sure
    FROM heldout_confidences GROUP BY evolution, loop, rm_version, split, bin, tied
),
counted AS (
    SELECT evolution, any_value(snapshot) AS snapshot, any_value(recipe) AS recipe, loop, rm_version, split, bin,
           CAST(sum(n) AS BIGINT) AS n, CAST(sum(correct) AS BIGINT) AS correct, sum(sure) / sum(n) AS confidence,
           tied_effect(tied, correct, n) AS effect
    FROM grouped GROUP BY evolution, loop, rm_version, split, bin
)
SELECT evolution, snapshot, recipe, loop, rm_version, split,
       CASE split WHEN 'test' THEN 'of the calibration pairs' ELSE 'cross-fitted' END AS temperature,
       0.5 + bin / 20.0 AS confidence_from, 0.55 + bin / 20.0 AS confidence_to, n, correct, confidence,
       correct / n AS accuracy, n / effect AS n_effective,
       wilson_low(correct / effect, n / effect) AS ci_low, wilson_high(correct / effect, n / effect) AS ci_high
FROM counted;

-- ECE; by_chance: what is to be expected of it where confidence is right (mean distance of a normal share in each bin).
CREATE OR REPLACE VIEW calibration_errors AS
SELECT evolution, loop, split, CAST(sum(n) AS BIGINT) AS n, sum(n * abs(accuracy - confidence)) / sum(n) AS ece,
       sum(n * sqrt(2 / pi() * confidence * (1 - confidence) / n_effective)) / sum(n) AS by_chance
FROM reliability_bins GROUP BY evolution, loop, split;

-- Shares of the labels of a loop. flip_rate: of the pairs that the loop before labelled too, those whose label turned.
-- seed_agreement: labelled as in loop 1, by the seed RM. kept_longer, labelled_longer: the longer response is the
-- preferred one (equal lengths count half), of kept and of all pairs. trained_precision, untrained_precision: right by
-- the vault, of the pairs whose labels the models that label were trained on, and of the others; mean: of their
-- confidence. Trained on is what the loop before kept, and, where students go on from its model or labels are replayed,
-- what any loop before it kept.
CREATE OR REPLACE VIEW label_shares AS
WITH methods AS (
    SELECT evolution, json_extract_string(settings, '$.method.student') = 'continue'
                      OR json_extract_string(settings, '$.method.replay') = 'all' AS remembers FROM evolutions
),
selected AS (
    SELECT evolution, pair_id, list(loop) AS loops FROM self_labels WHERE kept GROUP BY evolution, pair_id
),
labelled AS (
    SELECT l.evolution, l.loop, t.tied, l.kept, l.confidence, CAST(l.from_preferred <> l.preferred AS INTEGER) AS turned,
           CASE WHEN l.loop > 1 THEN CAST(s.preferred = l.preferred AS INTEGER) END AS agrees,
           CASE WHEN length(p.response_a) = length(p.response_b) THEN 0.5
                WHEN (length(p.response_a) > length(p.response_b)) = (l.preferred = 'a') THEN 1.0 ELSE 0.0 END AS longer,
           CASE WHEN l.loop > 1 THEN CAST(v.preferred = l.preferred AS INTEGER) END AS correct,
           coalesce(list_contains(k.loops, l.loop - 1) OR (m.remembers AND list_min(k.loops) < l.loop), false) AS trained
    FROM self_labels l
    JOIN pairs p ON p.pair_id = l.pair_id
    JOIN methods m ON m.evolution = l.evolution
    LEFT JOIN tied_units t ON t.tied = p.tied
    LEFT JOIN self_labels s ON s.evolution = l.evolution AND s.pair_id = l.pair_id AND s.loop = 1
    LEFT JOIN selected k ON k.evolution = l.evolution AND k.pair_id = l.pair_id
    LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
),
grouped AS (
    SELECT evolution, loop, tied, count(turned) AS n_turned, sum(turned) AS turned, count(agrees) AS n_agrees,
           sum(agrees) AS agrees, count(*) AS n, sum(longer) AS longer, count(*) FILTER (kept) AS n_kept,
           sum(longer) FILTER (kept) AS kept_longer, count(correct) FILTER (trained) AS n_trained,
           sum(correct) FILTER (trained) AS trained,
           sum(confidence) FILTER (trained AND correct IS NOT NULL) AS trained_sure,
           count(correct) FILTER (NOT trained) AS n_untrained, sum(correct) FILTER (NOT trained) AS untrained,
           sum(confidence) FILTER (NOT trained AND correct IS NOT NULL) AS untrained_sure
    FROM labelled GROUP BY evolution, loop, tied
),
long AS (
    SELECT evolution, loop, tied,
           unnest(['flip_rate', 'seed_agreement', 'labelled_longer', 'kept_longer', 'trained_precision',
                   'untrained_precision']) AS share,
           unnest([n_turned, n_agrees, n, n_kept, n_trained, n_untrained]) AS n,
           coalesce(unnest([turned, agrees, longer, kept_longer, trained, untrained]), 0) AS k,
           unnest([NULL, NULL, NULL, NULL, trained_sure, untrained_sure]) AS sure
    FROM grouped
    UNION ALL
    -- What people prefer, of the seed pairs; it stands beside every loop, under loop 0.
    SELECT r.evolution, 0, t.tied, 'seed_longer', count(*),
           sum(CASE WHEN length(p.response_a) = length(p.response_b) THEN 0.5
                    WHEN (length(p.response_a) > length(p.response_b)) = (c.preferred = 'a') THEN 1.0 ELSE 0.0 END), NULL
    FROM roles r JOIN evolutions e USING (evolution) JOIN pairs p ON p.pair_id = r.pair_id
    JOIN human_choice c ON c.dataset = e.dataset AND c.pair_id = r.pair_id LEFT JOIN tied_units t ON t.tied = p.tied
    WHERE r.role = 'seed' GROUP BY r.evolution, t.tied
    UNION ALL
    -- Whether the loop's own model, which labels the next one, ranks held-out pairs as the seed RM does.
    SELECT m.evolution, m.loop, t.tied, 'heldout_agreement', count(*),
           count(*) FILTER (sign(m.reward_a - m.reward_b) = sign(s.reward_a - s.reward_b)), NULL
    FROM heldout_scores m
    JOIN heldout_scores s ON s.evolution = m.evolution AND s.pair_id = m.pair_id AND s.split = m.split AND s.loop = 0
    LEFT JOIN tied_pairs t ON t.pair_id = m.pair_id
    WHERE m.loop > 0 GROUP BY m.evolution, m.loop, t.tied
),
counted AS (
    SELECT evolution, loop, share, sum(n) AS n, sum(k) AS k, sum(sure) AS sure, tied_effect(tied, k, n) AS effect
    FROM long WHERE n > 0 GROUP BY evolution, loop, share
)
SELECT evolution, loop, share, CAST(n AS BIGINT) AS n, k / n AS value, sure / n AS mean, n / effect AS n_effective,
       wilson_low(k / effect, n / effect) AS ci_low, wilson_high(k / effect, n / effect) AS ci_high
FROM counted;

-- Whether kept rates differ: Pearson's chi square at the effective sizes (Rao and Scott, 1984), as a standard score
-- (Wilson and Hilferty, 1931). What has fewer than 5 pairs expected kept or left is taken together.
CREATE OR REPLACE VIEW selection_tests AS
WITH whole AS (
    SELECT evolution, loop, dimension, sum(n_kept) / sum(n) AS p FROM selection_bias GROUP BY ALL
),
cells AS (
    SELECT b.evolution, b.loop, b.dimension, w.p, CASE WHEN least(w.p, 1 - w.p) * n_effective >= 5 THEN value END AS value,
           sum(n_kept) / sum(n) AS rate, sum(n_effective) AS n
    FROM selection_bias b JOIN whole w USING (evolution, loop, dimension)
    WHERE w.p > 0 AND w.p < 1
    GROUP BY ALL
),
summed AS (
    SELECT evolution, loop, dimension, count(*) - 1 AS degrees,
           sum(n * (rate - p) * (rate - p) / (p * (1 - p))) AS chi_square, min(rate) AS kept_least, max(rate) AS kept_most
    FROM cells WHERE least(p, 1 - p) * n >= 5 GROUP BY evolution, loop, dimension
)
SELECT s.evolution, e.snapshot, e.recipe, loop, dimension, degrees, chi_square,
       (cbrt(chi_square / degrees) - (1 - 2 / (9.0 * degrees))) / sqrt(2 / (9.0 * degrees)) AS differs,
       kept_least, kept_most
FROM summed s JOIN evolutions e USING (evolution) WHERE degrees > 0;

-- How rich the answers to the judged prompts are, by as many words of each answer as the shorter one of its prompt has.
-- vocabulary: exp of the entropy of the words' distribution; distinct_2: different pairs of neighbouring words a pair.
CREATE OR REPLACE VIEW answer_diversity AS
WITH answers AS (
    SELECT evolution, policy_version, pair_id, words_of(base_response) AS base, words_of(policy_response) AS policy
    FROM policy_samples
),
compared AS (
    SELECT evolution, policy_version, unnest(['base', 'policy']) AS who, unnest([base, policy]) AS words,
           least(len(base), len(policy)) AS n
    FROM answers
),
cut AS (SELECT evolution, policy_version, who, len(words) AS n_words, words[1:n] AS words FROM compared),
singles AS (
    SELECT evolution, policy_version, who, word, count(*) AS n
    FROM (SELECT evolution, policy_version, who, unnest(words) AS word FROM cut) GROUP BY ALL
),
neighbours AS (
    SELECT evolution, policy_version, who, unnest(list_zip(words[1:len(words) - 1], words[2:])) AS two FROM cut
    WHERE len(words) > 1
),
entropies AS (
    SELECT evolution, policy_version, who, CAST(sum(n) AS BIGINT) AS compared_words,
           exp(ln(sum(n)) - sum(n * ln(n)) / sum(n)) AS vocabulary
    FROM singles GROUP BY evolution, policy_version, who
),
twos AS (
    SELECT evolution, policy_version, who, count(DISTINCT two) / count(*) AS distinct_2 FROM neighbours
    GROUP BY evolution, policy_version, who
),
lengths AS (
    SELECT evolution, policy_version, who, count(*) AS n, avg(n_words) AS mean_words FROM cut
    GROUP BY evolution, policy_version, who
)
SELECT l.evolution, l.policy_version, p.loop, l.who, l.n, l.mean_words, e.compared_words, e.vocabulary, t.distinct_2
FROM lengths l
LEFT JOIN entropies e USING (evolution, policy_version, who)
LEFT JOIN twos t USING (evolution, policy_version, who)
LEFT JOIN policies p USING (evolution, policy_version);

-- What the seed RM's rewards are on calibration pairs, and those of each loop's model in units of them. The scales of an
-- ensemble's members make the mean of these very pairs 0: there it says nothing.
CREATE OR REPLACE VIEW reward_drift AS
WITH measured AS (
    SELECT evolution, loop, count(*) AS n, avg((reward_a + reward_b) / 2) AS mean,
           stddev_samp(reward_a - reward_b) AS spread
    FROM heldout_scores WHERE split = 'calibration' AND loop IS NOT NULL GROUP BY evolution, loop
)
SELECT m.evolution, m.loop, m.n, m.mean AS reward_mean, m.spread AS margin_deviation,
       m.spread / nullif(s.spread, 0) AS margin_spread,
       CASE WHEN json_extract_string(e.settings, '$.method.teachers') = '1'
            THEN (m.mean - s.mean) / nullif(s.spread, 0) END AS reward_shift,
       (r.reward_offset - o.reward_offset) / nullif(s.spread, 0) AS offset_shift
FROM measured m JOIN measured s ON s.evolution = m.evolution AND s.loop = 0
JOIN evolutions e ON e.evolution = m.evolution
LEFT JOIN status_reports r ON r.evolution = m.evolution AND r.loop = m.loop + 1
LEFT JOIN status_reports o ON o.evolution = m.evolution AND o.loop = 1;

-- A row per loop with everything that is watched. Labels of a loop are by the model of the loop before, ece_*, agreement
-- on held-out pairs and the drift of rewards are of its own model; answers are those of the judged policy.
CREATE OR REPLACE VIEW loop_watch AS
WITH loops AS (
    SELECT DISTINCT evolution, snapshot, recipe, loop FROM current_artifacts WHERE loop IS NOT NULL
),
errors AS (
    SELECT evolution, loop, any_value(ece) FILTER (split = 'calibration') AS ece_calibration,
           any_value(by_chance) FILTER (split = 'calibration') AS ece_calibration_by_chance,
           any_value(n) FILTER (split = 'calibration') AS ece_calibration_n,
           any_value(ece) FILTER (split = 'test') AS ece_test,
           any_value(by_chance) FILTER (split = 'test') AS ece_test_by_chance,
           any_value(n) FILTER (split = 'test') AS ece_test_n
    FROM calibration_errors GROUP BY evolution, loop
),
shares AS (
    SELECT *, any_value(of['seed_longer']) OVER (PARTITION BY evolution) AS seed_longer
    FROM (
        SELECT evolution, loop,
               map_from_entries(list((share, {'value': value, 'low': ci_low, 'high': ci_high, 'n': n, 'mean': mean}))) AS of
        FROM label_shares GROUP BY evolution, loop
    )
),
tests AS (
    SELECT evolution, loop, any_value(differs) FILTER (dimension = 'domain') AS source_differs,
           any_value(kept_least) FILTER (dimension = 'domain') AS source_kept_least,
           any_value(kept_most) FILTER (dimension = 'domain') AS source_kept_most,
           any_value(differs) FILTER (dimension <> 'domain') AS length_differs,
           any_value(kept_least) FILTER (dimension <> 'domain') AS length_kept_least,
           any_value(kept_most) FILTER (dimension <> 'domain') AS length_kept_most
    FROM selection_tests GROUP BY evolution, loop
),
answers AS (
    SELECT evolution, loop, any_value(vocabulary) FILTER (who = 'base') AS base_vocabulary,
           any_value(vocabulary) FILTER (who = 'policy') AS policy_vocabulary,
           any_value(distinct_2) FILTER (who = 'base') AS base_distinct_2,
           any_value(distinct_2) FILTER (who = 'policy') AS policy_distinct_2,
           any_value(mean_words) FILTER (who = 'base') AS base_words,
           any_value(mean_words) FILTER (who = 'policy') AS policy_words, max(compared_words) AS compared_words
    FROM answer_diversity GROUP BY evolution, loop
)
SELECT l.evolution, l.snapshot, l.recipe, l.loop, e.* EXCLUDE (evolution, loop),
       h.of['flip_rate'].value AS flip_rate, h.of['flip_rate'].low AS flip_rate_low,
       h.of['flip_rate'].high AS flip_rate_high, h.of['flip_rate'].n AS flip_rate_n,
       h.of['seed_agreement'].value AS seed_agreement, h.of['seed_agreement'].low AS seed_agreement_low,
       h.of['seed_agreement'].high AS seed_agreement_high, h.of['seed_agreement'].n AS seed_agreement_n,
       h.of['heldout_agreement'].value AS heldout_agreement,
       h.of['kept_longer'].value AS kept_longer, h.of['kept_longer'].low AS kept_longer_low,
       h.of['kept_longer'].high AS kept_longer_high, h.of['kept_longer'].n AS kept_longer_n,
       h.of['labelled_longer'].value AS labelled_longer,
       h.seed_longer.value AS seed_longer, h.seed_longer.low AS seed_longer_low,
       h.seed_longer.high AS seed_longer_high, h.seed_longer.n AS seed_longer_n,
       t.* EXCLUDE (evolution, loop), d.margin_spread, d.reward_shift, d.offset_shift,
       h.of['trained_precision'].value AS trained_precision, h.of['trained_precision'].low AS trained_precision_low,
       h.of['trained_precision'].high AS trained_precision_high, h.of['trained_precision'].n AS trained_precision_n,
       h.of['trained_precision'].mean AS trained_confidence,
       h.of['untrained_precision'].value AS untrained_precision,
       h.of['untrained_precision'].low AS untrained_precision_low,
       h.of['untrained_precision'].high AS untrained_precision_high,
       h.of['untrained_precision'].n AS untrained_precision_n,
       h.of['untrained_precision'].mean AS untrained_confidence, a.* EXCLUDE (evolution, loop)
FROM loops l
LEFT JOIN errors e ON e.evolution = l.evolution AND e.loop = l.loop
LEFT JOIN shares h ON h.evolution = l.evolution AND h.loop = l.loop
LEFT JOIN tests t ON t.evolution = l.evolution AND t.loop = l.loop
LEFT JOIN reward_drift d ON d.evolution = l.evolution AND d.loop = l.loop
LEFT JOIN answers a ON a.evolution = l.evolution AND a.loop = l.loop;
