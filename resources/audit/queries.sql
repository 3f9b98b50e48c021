-- Named queries of `ser audit`, each of one evolution. $evolution is bound to every one of them, $pair to history.

-- name: loops
-- Per loop: status, whether it was the last, pool, kept, accuracy of its model and of "the longer wins", label precision, promised and measured
SELECT loop, status, ends, n_pool, n_kept, test_accuracy, test_ci_low AS ci_low, test_ci_high AS ci_high, longer_wins,
       calibration_accuracy, promised, label_precision, label_measured_on, train_seconds, promoted, rm_version
FROM loop_summary WHERE evolution = $evolution ORDER BY loop;

-- name: flips
-- The 200 most confident labels that changed since the loop before; with a label in the vault, for better or worse
SELECT f.loop, f.pair_id, f.from_loop, f.from_preferred, f.preferred, f.from_confidence, f.confidence, f.kept, f.change,
       p.prompt
FROM label_flips f JOIN pairs p USING (pair_id)
WHERE f.evolution = $evolution ORDER BY f.confidence DESC, f.loop, f.pair_id LIMIT 200;

-- name: precision
-- How often labels are right, per loop and tenth of confidence (0.9: from 0.9 to 1), and on what that was measured
SELECT loop, labels, confidence_from, n_labels, measured_on, n, "precision", ci_low, ci_high
FROM label_precision WHERE evolution = $evolution ORDER BY loop, labels DESC, confidence_from;

-- name: confident-mistakes
-- The 50 most confident labels that a human label in the vault contradicts
SELECT l.loop, l.pair_id, l.confidence, l.kept, l.preferred, v.preferred AS vault,
       p.prompt, CASE l.preferred WHEN 'a' THEN p.response_a ELSE p.response_b END AS preferred_response,
       CASE l.preferred WHEN 'a' THEN p.response_b ELSE p.response_a END AS other_response
FROM self_labels l
JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id AND v.preferred <> l.preferred
JOIN pairs p ON p.pair_id = l.pair_id
WHERE l.evolution = $evolution ORDER BY l.confidence DESC, l.loop, l.pair_id LIMIT 50;

-- name: history
-- One pair (--pair ID): its texts, what people say of it, and how every loop scored it and why it was kept or not
SELECT l.loop, l.pair_id, p.prompt, p.response_a, p.response_b, h.human_labels, v.preferred AS vault, l.reward_a,
       l.reward_b, l.reward_a - l.reward_b AS margin, l.p_a, l.p_b, l.spread, l.confidence, l.preferred, l.rule, l.kept,
       l.reason, l.target, l.weight, l.rm_version, l.run_id, l.scored_at
FROM self_labels l JOIN pairs p USING (pair_id)
LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
LEFT JOIN (
    SELECT list({'preferred': preferred, 'annotator': annotator, 'origin': origin, 'labelled_at': labelled_at}
                ORDER BY labelled_at, annotator) AS human_labels
    FROM human_labels JOIN evolutions USING (dataset) WHERE evolution = $evolution AND pair_id = $pair
) h ON true
WHERE l.evolution = $evolution AND l.pair_id = $pair ORDER BY l.loop;

-- name: bias
-- What the filter prefers: kept rate by length difference of the responses and by domain
SELECT loop, dimension, value, n, n_kept, kept_rate, ci_low, ci_high
FROM selection_bias WHERE evolution = $evolution ORDER BY loop, dimension DESC, value;

-- name: policy
-- Policies, and how often the judge prefers the promoted model's policy to the base model
SELECT p.loop, p.algorithm, p.episodes, p.mean_reward, p.kl, w.value AS win_rate, w.ci_low, w.ci_high, w.n AS judged,
       j.value AS judge_accuracy, p.policy_version, p.rm_version
FROM policies p
LEFT JOIN current_artifacts judged ON judged.evolution = p.evolution AND judged.asset = 'ppo_policy'
    AND judged.version = p.policy_version
LEFT JOIN evaluations w ON w.evolution = judged.evolution AND w.metric = 'win_rate'
LEFT JOIN evaluations j ON j.evolution = judged.evolution AND j.metric = 'judge_accuracy'
WHERE p.evolution = $evolution ORDER BY p.loop, p.asset;

-- name: controls
-- Each control with its question, its gain over the seed, and what the last loop gains over it, on the test pairs
SELECT control, state, question, accuracy, ci_low, ci_high, seed_gain, seed_gain_low, seed_gain_high, loop, loop_gain,
       loop_gain_low, loop_gain_high, n, rm_version
FROM controls WHERE evolution = $evolution ORDER BY number;

-- name: watch
-- Whether self-training drifts, per loop: calibration out of sample, turned labels, length, rewards, own labels, answers
SELECT loop, ece_calibration, ece_test, flip_rate, seed_agreement, heldout_agreement, kept_longer, labelled_longer,
       seed_longer, source_differs, length_differs, margin_spread, reward_shift, offset_shift, trained_precision, trained_confidence,
       untrained_precision, untrained_confidence, base_vocabulary, policy_vocabulary, base_distinct_2, policy_distinct_2
FROM loop_watch WHERE evolution = $evolution ORDER BY loop;

-- name: reliability
-- Accuracy of each loop's model by its confidence, out of sample: calibration pairs at a cross-fitted temperature, test pairs
SELECT loop, split, confidence_from, confidence_to, n, confidence, accuracy, ci_low, ci_high, temperature
FROM reliability WHERE evolution = $evolution ORDER BY loop, split, confidence_from;

-- name: shift
-- Whether the human-labelled pairs are like the pool: AUC of a classifier (0.5: alike), lengths, sources, margins
SELECT 'AUC of a classifier' AS measure, auc AS value, ci_low, ci_high, NULL AS human, NULL AS pool, n_human, n_pool
FROM pool_shift WHERE evolution = $evolution
UNION ALL
SELECT 'seed margin of the pool, in standard deviations', apart, apart_low, apart_high, human, pool, n_human, n_pool
FROM pool_margins WHERE evolution = $evolution
UNION ALL
SELECT * FROM (
    SELECT measure, NULL, NULL, NULL, human, pool, n_human, n_pool FROM pool_comparison
    WHERE evolution = $evolution ORDER BY measure
);
