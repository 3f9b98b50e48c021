-- Named queries of `ser audit`, each of one evolution. $evolution is bound to every one of them, $pair to history.

-- name: loops
-- Per loop: status, whether it was the last, pool, kept, accuracy of its model and of "the longer wins", label precision
SELECT loop, status, ends, n_pool, n_kept, round(test_accuracy, 3) AS test_accuracy,
       round(test_ci_low, 3) AS ci_low, round(test_ci_high, 3) AS ci_high, round(longer_wins, 3) AS longer_wins,
       round(calibration_accuracy, 3) AS calibration_accuracy, round(label_precision, 3) AS label_precision,
       label_measured_on, round(train_seconds, 1) AS train_seconds, promoted, rm_version
FROM loop_summary WHERE evolution = $evolution ORDER BY loop;

-- name: flips
-- The 200 most confident labels that changed since the loop before; with a label in the vault, for better or worse
SELECT f.loop, f.pair_id, f.from_loop, f.from_preferred, f.preferred,
       round(f.from_confidence, 3) AS from_confidence, round(f.confidence, 3) AS confidence, f.kept, f.change, p.prompt
FROM label_flips f JOIN pairs p USING (pair_id)
WHERE f.evolution = $evolution ORDER BY f.confidence DESC, f.loop, f.pair_id LIMIT 200;

-- name: precision
-- How often labels are right, per loop and confidence, and on what that was measured
SELECT loop, labels, confidence_from, confidence_to, n_labels, measured_on, n, correct,
       round("precision", 3) AS "precision", round(ci_low, 3) AS ci_low, round(ci_high, 3) AS ci_high
FROM label_precision WHERE evolution = $evolution ORDER BY loop, labels DESC, confidence_from;

-- name: confident-mistakes
-- The 50 most confident labels that a human label in the vault contradicts
SELECT l.loop, l.pair_id, round(l.confidence, 3) AS confidence, l.kept, l.preferred, v.preferred AS vault,
       p.prompt, CASE l.preferred WHEN 'a' THEN p.response_a ELSE p.response_b END AS preferred_response,
       CASE l.preferred WHEN 'a' THEN p.response_b ELSE p.response_a END AS other_response
FROM self_labels l
JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id AND v.preferred <> l.preferred
JOIN pairs p ON p.pair_id = l.pair_id
WHERE l.evolution = $evolution ORDER BY l.confidence DESC, l.loop, l.pair_id LIMIT 50;

-- name: history
-- Every scoring of one pair (--pair ID): by which model, how sure, whether and why it was kept
SELECT l.loop, l.rm_version, round(l.reward_a, 4) AS reward_a, round(l.reward_b, 4) AS reward_b,
       round(l.p_a, 4) AS p_a, round(l.p_b, 4) AS p_b, round(l.spread, 4) AS spread,
       round(l.confidence, 4) AS confidence, l.preferred, l.kept, l.rule, l.reason, round(l.target, 4) AS target,
       round(l.weight, 4) AS weight, v.preferred AS vault, l.run_id, l.scored_at
FROM self_labels l LEFT JOIN vault_choice v ON v.evolution = l.evolution AND v.pair_id = l.pair_id
WHERE l.evolution = $evolution AND l.pair_id = $pair ORDER BY l.loop;

-- name: bias
-- What the filter prefers: kept rate by length difference of the responses and by domain
SELECT loop, dimension, value, n, n_kept, round(kept_rate, 3) AS kept_rate, round(ci_low, 3) AS ci_low,
       round(ci_high, 3) AS ci_high
FROM selection_bias WHERE evolution = $evolution ORDER BY loop, dimension DESC, value;

-- name: policy
-- Policies, and how often the judge prefers the promoted model's policy to the base model
SELECT p.loop, p.algorithm, p.episodes, round(p.mean_reward, 3) AS mean_reward, round(p.kl, 3) AS kl,
       round(w.value, 3) AS win_rate, round(w.ci_low, 3) AS ci_low, round(w.ci_high, 3) AS ci_high, w.n AS judged,
       round(j.value, 3) AS judge_accuracy, p.policy_version, p.rm_version
FROM policies p
LEFT JOIN current_artifacts judged ON judged.evolution = p.evolution AND judged.asset = 'ppo_policy'
    AND judged.version = p.policy_version
LEFT JOIN evaluations w ON w.evolution = judged.evolution AND w.metric = 'win_rate'
LEFT JOIN evaluations j ON j.evolution = judged.evolution AND j.metric = 'judge_accuracy'
WHERE p.evolution = $evolution ORDER BY p.loop, p.asset;
