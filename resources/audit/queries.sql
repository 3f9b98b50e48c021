-- Named queries of `ser audit`: each is a view, of which one evolution is asked (and of `history` one pair), in the order
-- that stands behind its name.

-- name: loops (loop)
-- Per loop: status, whether it was the last, pool, kept, accuracy of its model and of "the longer wins", label precision, promised and measured
CREATE OR REPLACE VIEW loops AS
SELECT evolution, loop, status, ends, n_pool, n_kept, test_accuracy, test_ci_low AS ci_low, test_ci_high AS ci_high,
       longer_wins, calibration_accuracy, promised, label_precision, label_measured_on, train_seconds, promoted, rm_version
FROM loop_summary;

-- name: flips (confidence DESC, loop, pair_id)
-- The 200 most confident labels that changed since the loop before; with a label in the vault, for better or worse
CREATE OR REPLACE VIEW flips AS
SELECT f.evolution, f.loop, f.pair_id, f.from_loop, f.from_preferred, f.preferred, f.from_confidence, f.confidence, f.kept,
       f.change, p.prompt
FROM (
    FROM label_flips
    QUALIFY row_number() OVER (PARTITION BY evolution ORDER BY confidence DESC, loop, pair_id) <= 200
) f JOIN pairs p ON p.pair_id = f.pair_id;

-- name: precision (loop, labels DESC, confidence_from)
-- How often labels are right, per loop and tenth of confidence (0.9: from 0.9 to 1), and on what that was measured
CREATE OR REPLACE VIEW "precision" AS
SELECT evolution, loop, labels, confidence_from, n_labels, measured_on, n, "precision", ci_low, ci_high
FROM label_precision;

-- name: confident-mistakes (confidence DESC, loop, pair_id)
-- The 50 most confident labels that a human label in the vault contradicts
CREATE OR REPLACE VIEW confident_mistakes AS
SELECT l.evolution, l.loop, l.pair_id, l.confidence, l.kept, l.preferred, l.vault,
       p.prompt, CASE l.preferred WHEN 'a' THEN p.response_a ELSE p.response_b END AS preferred_response,
       CASE l.preferred WHEN 'a' THEN p.response_b ELSE p.response_a END AS other_response
FROM (
    SELECT s.*, v.preferred AS vault
    FROM self_labels s
    JOIN vault_choice v ON v.evolution = s.evolution AND v.pair_id = s.pair_id AND v.preferred <> s.preferred
    QUALIFY row_number() OVER (PARTITION BY s.evolution ORDER BY s.confidence DESC, s.loop, s.pair_id) <= 50
) l JOIN pairs p ON p.pair_id = l.pair_id;

-- name: history (loop)
-- One pair (--pair ID): its texts, what people say of it, and how every loop scored it and why it was kept or not
CREATE OR REPLACE VIEW history AS
SELECT l.evolution, l.loop, l.pair_id, p.prompt, p.response_a, p.response_b, h.human_labels, v.preferred AS vault,
       l.reward_a, l.reward_b, l.reward_a - l.reward_b AS margin, l.p_a, l.p_b, l.spread, l.confidence, l.preferred, l.rule,
       l.kept, l.reason, l.target, l.weight, l.rm_version, l.run_id, l.scored_at
FROM self_labels l JOIN pairs p ON p.pair_id = l.pair_id JOIN evolutions e ON e.evolution = l.evolution
LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
LEFT JOIN (
    SELECT dataset, pair_id,
           list({'preferred': preferred, 'annotator': annotator, 'origin': origin, 'labelled_at': labelled_at}
                ORDER BY labelled_at, annotator) AS human_labels
    FROM human_labels GROUP BY dataset, pair_id
) h ON h.dataset = e.dataset AND h.pair_id = l.pair_id;

-- name: bias (loop, dimension DESC, value)
-- What the filter prefers: kept rate by length difference of the responses and by domain
CREATE OR REPLACE VIEW bias AS
SELECT evolution, loop, dimension, value, n, n_kept, kept_rate, ci_low, ci_high FROM selection_bias;

-- name: policy (loop, policy_version)
-- Policies, and how often the judge prefers the promoted model's policy to the base model
CREATE OR REPLACE VIEW policy AS
SELECT p.evolution, p.loop, p.algorithm, p.episodes, p.mean_reward, p.kl, w.value AS win_rate, w.ci_low, w.ci_high,
       w.n AS judged, j.value AS judge_accuracy, p.policy_version, p.rm_version
FROM policies p
LEFT JOIN current_artifacts judged ON judged.evolution = p.evolution AND judged.asset = 'ppo_policy'
    AND judged.version = p.policy_version
LEFT JOIN evaluations w ON w.evolution = judged.evolution AND w.metric = 'win_rate'
LEFT JOIN evaluations j ON j.evolution = judged.evolution AND j.metric = 'judge_accuracy';

-- name: controls (number)
-- Each control with its question, its gain over the seed, and what the last loop gains over it, on the test pairs

-- name: watch (loop)
-- Whether self-training drifts, per loop: calibration out of sample, turned labels, length, rewards, own labels, answers
CREATE OR REPLACE VIEW watch AS
SELECT evolution, loop, ece_calibration, ece_test, flip_rate, seed_agreement, heldout_agreement, kept_longer,
       labelled_longer, seed_longer, source_differs, length_differs, margin_spread, reward_shift, offset_shift,
       trained_precision, trained_confidence, untrained_precision, untrained_confidence, base_vocabulary,
       policy_vocabulary, base_distinct_2, policy_distinct_2
FROM loop_watch;

-- name: reliability (loop, split, confidence_from)
-- Accuracy of each loop's model by its confidence, out of sample: calibration pairs at a cross-fitted temperature, test pairs
CREATE OR REPLACE VIEW reliability AS
SELECT evolution, loop, split, confidence_from, confidence_to, n, confidence, accuracy, ci_low, ci_high, temperature
FROM reliability_bins;

-- name: shift (place, measure)
-- Whether the human-labelled pairs are like the pool: AUC of a classifier (0.5: alike), lengths, sources, margins
CREATE OR REPLACE VIEW shift AS
SELECT evolution, 1 AS place, 'AUC of a classifier' AS measure, auc AS value, ci_low, ci_high, CAST(NULL AS DOUBLE) AS human,
       CAST(NULL AS DOUBLE) AS pool, n_human, n_pool
FROM pool_shift
UNION ALL
SELECT evolution, 2, 'seed margin of the pool, in standard deviations', apart, apart_low, apart_high, human, pool, n_human, n_pool
FROM pool_margins
UNION ALL
SELECT evolution, 3, measure, NULL, NULL, NULL, human, pool, n_human, n_pool FROM pool_comparison;
