-- What an evolution shows: the facts of its current artifacts.

CREATE OR REPLACE VIEW current_artifacts AS
SELECT a.evolution, e.snapshot, e.dataset, e.recipe, a.asset, loop_of(a.asset) AS loop, a.version, a.seconds
FROM evolution_artifacts a JOIN evolutions e USING (evolution) WHERE a.current;

CREATE OR REPLACE VIEW roles AS
SELECT s.evolution, s.snapshot, s.recipe, f.pair_id, f.role, f.in_vault
FROM current_artifacts s
LEFT JOIN current_artifacts e ON e.evolution = s.evolution AND e.asset = 'encoded_pairs'
JOIN role_facts f ON f.splits = s.version AND f.encoded = coalesce(e.version, '')
WHERE s.asset = 'splits';

-- Which scorings and decisions are those of a loop.
CREATE OR REPLACE VIEW labellings AS
SELECT l.evolution, l.snapshot, l.recipe, l.loop, l.version AS labels, coalesce(f.version, c.version, '') AS decision,
       coalesce(b.version, '') AS earlier
FROM current_artifacts l
LEFT JOIN current_artifacts f ON f.evolution = l.evolution AND f.asset = format('loop_{}/filtered_pairs', l.loop)
LEFT JOIN current_artifacts s ON s.evolution = l.evolution AND s.asset = format('loop_{}/status_report', l.loop)
LEFT JOIN status_facts c ON c.version = s.version AND c.ends
LEFT JOIN current_artifacts b ON b.evolution = l.evolution AND b.asset = format('loop_{}/self_labels', l.loop - 1)
WHERE l.asset LIKE 'loop\_%/self\_labels' ESCAPE '\';

-- rm_version: of the model as it is now. One that was made anew with the same bytes labels alike, under another version.
CREATE OR REPLACE VIEW self_labels AS
SELECT l.evolution, l.snapshot, l.recipe, l.loop,
       f.* EXCLUDE (labels, decision, earlier) REPLACE (coalesce(m.version, f.rm_version) AS rm_version),
       CASE WHEN f.from_preferred IS NOT NULL THEN l.loop - 1 END AS from_loop
FROM labellings l JOIN self_label_facts f USING (labels, decision, earlier)
LEFT JOIN current_artifacts m ON m.evolution = l.evolution AND m.asset = model_of(l.loop - 1);

CREATE OR REPLACE VIEW heldout_scores AS
WITH measured AS (  -- a control may be the very model of a loop
    SELECT h.evolution, h.snapshot, h.recipe, min(m.loop) AS loop, m.version AS rm_version, h.version
    FROM current_artifacts h JOIN current_artifacts m ON m.evolution = h.evolution AND h.asset = m.asset || '.heldout'
    GROUP BY h.evolution, h.snapshot, h.recipe, m.version, h.version
)
SELECT m.* EXCLUDE (version), f.* EXCLUDE (version) FROM measured m JOIN heldout_facts f USING (version);

-- status: 1, 2, converged; gate_not_shown, in loop 1: the seed was not shown to be better than a coin, and none was run.
-- ends: the loop keeps nothing and is the last; under select = status that is a loop whose status is converged.
-- promised, expected_*: under select = calibrated, where a loop that ends has those of the surest pairs that were tried.
CREATE OR REPLACE VIEW status_reports AS
SELECT s.evolution, s.snapshot, s.recipe, s.loop, f.status, f.ends, f.n_pool, f.n_status_1, f.n_status_2,
       f.n_min, CASE WHEN f.ends THEN 0 ELSE k.n_kept END AS n_kept, f.reward_offset, f.thresholds, f.cut, f.promised,
       f.expected_precision, f.expected_low, f.why
FROM current_artifacts s JOIN status_facts f ON f.version = s.version
LEFT JOIN current_artifacts c ON c.evolution = s.evolution AND c.asset = format('loop_{}/filtered_pairs', s.loop)
LEFT JOIN selection_facts k ON k.version = c.version
WHERE s.asset LIKE 'loop\_%/status\_report' ESCAPE '\'
UNION ALL
SELECT evolution, snapshot, recipe, 1, verdict, true, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, why
FROM evolutions WHERE verdict = 'gate_not_shown';

-- A row for each version, under the first of the assets that it is: the seed and the loops before controls.
-- An ensemble has a row, and each of its members one that names it in member_of. path: where it is stored, which is with
-- the seed RM for a member of the ensemble of seed RMs.
CREATE OR REPLACE VIEW reward_models AS
SELECT m.version AS rm_version, m.evolution, m.snapshot, m.recipe, m.asset, m.loop,
       CASE WHEN m.loop = 0 THEN 'seed' WHEN m.loop > 0 THEN 'loop' WHEN m.asset = 'controls/judge_rm' THEN 'judge'
            ELSE 'control' END AS kind,
       w.version AS member_of, f.* EXCLUDE (version),
       w.version IS NULL AND m.loop IS NOT NULL AND m.version IS NOT DISTINCT FROM e.promoted_rm AS promoted,
       CASE WHEN w.version IS NULL AND m.loop IS NOT NULL AND m.version = e.promoted_rm THEN e.why END AS why,
       format('artifacts/{}/{}', regexp_replace(
           regexp_replace(m.asset, '^controls/seed_ensemble_rm/', 'seed_rm/'), '/member_0$', ''), m.version) AS path
FROM current_artifacts m JOIN evolutions e USING (evolution) JOIN reward_model_facts f ON f.version = m.version
LEFT JOIN current_artifacts w ON w.evolution = m.evolution AND m.asset LIKE w.asset || '/member\_%' ESCAPE '\'
WHERE regexp_full_match(m.asset, '(seed_rm|loop_\d+/retrained_rm|controls/\w+_rm)(/member_\d+)?')
QUALIFY row_number() OVER (PARTITION BY m.evolution, m.version ORDER BY m.loop NULLS LAST, m.asset) = 1;

-- Every promotion that an evolution has or had, by the rule or by hand.
CREATE OR REPLACE VIEW promotions AS
SELECT a.evolution, e.snapshot, e.recipe, f.* EXCLUDE (version), a.current, a.finished_at AS promoted_at
FROM evolution_artifacts a JOIN evolutions e USING (evolution) JOIN promotion_facts f ON f.version = a.version
WHERE a.asset = 'evolved_rm';

-- loop of ppo_policy: that of the promoted reward model.
CREATE OR REPLACE VIEW policies AS
SELECT p.version AS policy_version, p.evolution, p.snapshot, p.recipe, p.asset, coalesce(p.loop, e.promoted_loop) AS loop,
       f.* EXCLUDE (version), format('artifacts/{}/{}', p.asset, p.version) AS path
FROM current_artifacts p JOIN evolutions e USING (evolution) JOIN policy_facts f ON f.version = p.version
WHERE p.asset = 'ppo_policy' OR p.asset LIKE '%/ppo\_policy' ESCAPE '\'
QUALIFY row_number() OVER (PARTITION BY p.evolution, p.version ORDER BY p.asset) = 1;

-- artifact: the version of what measured. The metrics of a policy are under the reward model of its training.
CREATE OR REPLACE VIEW evaluations AS
SELECT a.evolution, a.snapshot, a.recipe, m.loop,
       CASE WHEN m.version IS NOT NULL THEN m.version WHEN a.asset = 'policy_evaluation' THEN coalesce(r.rm_version, p.version)
            ELSE a.version END AS rm_version,
       f.split, f.metric, f.value, f.ci_low, f.ci_high, f.n, a.asset, f.version AS artifact
FROM current_artifacts a JOIN evaluation_facts f ON f.version = a.version
LEFT JOIN current_artifacts m ON m.evolution = a.evolution AND a.asset = m.asset || '.heldout'
LEFT JOIN current_artifacts p ON p.evolution = a.evolution AND a.asset = 'policy_evaluation' AND p.asset = 'ppo_policy'
LEFT JOIN policy_facts r ON r.version = p.version;

-- Step by step through the training of every policy.
CREATE OR REPLACE VIEW policy_steps AS
SELECT p.evolution, p.policy_version, p.asset, f.* EXCLUDE (version)
FROM policies p JOIN policy_step_facts f ON f.version = p.policy_version;

CREATE OR REPLACE VIEW policy_samples AS
SELECT j.evolution, p.version AS policy_version, f.* EXCLUDE (version)
FROM current_artifacts j JOIN policy_sample_facts f ON f.version = j.version
JOIN current_artifacts p ON p.evolution = j.evolution AND p.asset = 'ppo_policy'
WHERE j.asset = 'policy_evaluation';

-- The human choice for a pair of a dataset, as ser.data.role_assignment decides it: most votes; when they are even, none.
-- Reviews do not count: their pairs were chosen, and what is measured must not change by that.
CREATE OR REPLACE VIEW human_choice AS
SELECT pair_id, if(2 * count(*) FILTER (preferred = 'a') > count(*), 'a', 'b') AS preferred, count(*) AS n_labels, dataset
FROM human_labels WHERE origin = 'landed' GROUP BY dataset, pair_id
HAVING 2 * count(*) FILTER (preferred = 'a') <> count(*);

-- What a pair is trained on, as ser.data.role_assignment decides it: the votes of reviews, and where there are none or
-- they are even, those that landed.
CREATE OR REPLACE VIEW trained_choice AS
SELECT dataset, pair_id, if(votes > 0, 'a', 'b') AS preferred
FROM (
    SELECT dataset, pair_id, coalesce(nullif(sum(vote) FILTER (origin = 'review'), 0), sum(vote) FILTER (origin = 'landed'))
        AS votes
    FROM (SELECT *, if(preferred = 'a', 1, -1) AS vote FROM human_labels) GROUP BY dataset, pair_id
)
WHERE votes <> 0;

-- The choices of the vault.
CREATE OR REPLACE VIEW vault_choice AS
SELECT r.evolution, r.pair_id, c.preferred
FROM roles r JOIN evolutions e USING (evolution)
JOIN human_choice c ON c.dataset = e.dataset AND c.pair_id = r.pair_id
WHERE r.in_vault;

-- Which pairs trained which reward model. An ensemble was trained as its members are. labelled_by: people, machine, or
-- vault (labels of people that only a control may see). loop: which labelled it. The two halves of the judge were each
-- trained on the pairs of the other.
CREATE OR REPLACE VIEW training_pairs AS
WITH tables AS (
    SELECT m.evolution, m.rm_version, m.asset, t.* EXCLUDE (version)
    FROM reward_models m JOIN training_facts t ON t.version = m.rm_version
),
taught AS (
    SELECT t.evolution, t.rm_version, t.asset, r.pair_id, t.position, if(t.kind = 'vault', 'vault', 'people') AS labelled_by,
           CAST(NULL AS INTEGER) AS loop, c.preferred, CAST(NULL AS DOUBLE) AS target, CAST(NULL AS DOUBLE) AS weight
    FROM tables t JOIN roles r ON r.evolution = t.evolution AND CASE t.kind WHEN 'vault' THEN r.in_vault ELSE r.role = t.kind END
    JOIN evolutions e ON e.evolution = t.evolution
    LEFT JOIN trained_choice c ON c.dataset = e.dataset AND c.pair_id = r.pair_id
    WHERE t.left_out IS NULL OR NOT EXISTS (FROM half_facts h WHERE h.version = t.left_out AND h.pair_id = r.pair_id)
    UNION ALL
    SELECT t.evolution, t.rm_version, t.asset, f.pair_id, t.position, if(t.kind = 'true_labels', 'vault', 'machine'), t.loop,
           if(t.kind = 'true_labels', v.preferred, f.preferred), if(t.kind = 'selected', f.target, NULL),
           if(t.kind = 'selected', f.weight, NULL)
    FROM tables t
    JOIN self_label_facts f ON CASE t.kind WHEN 'labelled' THEN f.labels = t.source ELSE f.decision = t.source AND f.kept END
    JOIN pairs p ON p.pair_id = f.pair_id
    LEFT JOIN vault_choice v ON v.evolution = t.evolution AND v.pair_id = f.pair_id
    WHERE t.kind IN ('selected', 'labelled', 'true_labels') AND (t.kind <> 'true_labels' OR v.preferred IS NOT NULL)
      AND (t.folds IS NULL OR p.fold_number % t.folds <> t.left_fold)
)
SELECT * EXCLUDE (position) FROM taught
QUALIFY row_number() OVER (PARTITION BY evolution, rm_version, pair_id ORDER BY position DESC) = 1;

-- The machine's labels with everything that one asks of them.
CREATE OR REPLACE VIEW labels AS
SELECT l.evolution, l.loop, l.pair_id, p.prompt, p.response_a, p.response_b, p.source, l.preferred AS machine,
       c.preferred AS human, c.preferred = l.preferred AS correct, l.confidence, l.kept, l.rule, l.reason, l.target, l.weight,
       l.rm_version, l.run_id, l.scored_at
FROM self_labels l JOIN pairs p ON p.pair_id = l.pair_id
LEFT JOIN vault_choice c ON c.evolution = l.evolution AND c.pair_id = l.pair_id;

-- Groups or dialogues of several pairs, and the pairs that are not alone in theirs.
CREATE OR REPLACE VIEW tied_units AS SELECT tied FROM pairs GROUP BY tied HAVING count(*) > 1;
CREATE OR REPLACE VIEW tied_pairs AS SELECT pair_id, tied FROM pairs JOIN tied_units USING (tied);
