"""The whole graph, unrolled for the largest K that the settings allow."""

from collections.abc import Sequence

import dagster as dg

from assets import audit, checks, controls, landed, policies, reward_models, watch
from assets.evolved import evolved_rm
from assets.loops import loop_assets
from resources import asset_keys as keys
from resources.settings import Settings

SEED = (keys.LANDED_PAIRS, keys.SPLITS, keys.BACKBONE, keys.VAULT, keys.ENCODED_PAIRS, keys.SEED_RM)
"""What is made before the first loop, in its order."""


def graph(settings: Settings) -> tuple[Sequence[dg.AssetsDefinition], Sequence[dg.AssetChecksDefinition]]:
    """Every asset and every check. Loops beyond the K of an evolution are skipped when it is executed."""
    loops = range(1, settings.max_loops + 1)
    assets = [
        landed.landed_pairs,
        landed.splits,
        landed.vault,
        reward_models.backbone,
        landed.encoded_pairs,
        reward_models.seed_rm,
        *(asset for k in loops for asset in loop_assets(k)),
        evolved_rm(settings.max_loops),
        controls.full_label_rm,
        controls.more_steps_rm,
        controls.naive_self_training_rm,
        controls.true_label_rm,
        controls.seed_ensemble_rm,
        controls.half_seed_rm,
        controls.judge_rm,
        policies.ppo_policy,
        policies.policy_evaluation,
        audit.audit_sync,
        audit.report,
    ]
    every_loop = [check for k in loops for check in checks.loop_checks(k)]
    return assets, [
        checks.no_pair_in_two_roles,
        checks.shown_better_than_a_coin,
        checks.shortcut_check(keys.SEED_RM),
        checks.label_precision,
        checks.audit_equals_parquet,
        watch.watch_checks(),
        *every_loop,
    ]


def run_keys(settings: Settings, policy: bool) -> list[dg.AssetKey]:
    """What one execution makes, in its order: the chain; controls that are asked for; the policy with its judge."""
    chosen = list(SEED)
    of_the_labels = (keys.FULL_LABEL_RM, keys.HALF_SEED_RM)
    asked, before_the_end = settings.controls.asked, (*of_the_labels, keys.NAIVE_RM)
    chosen += [key for key in of_the_labels if key in asked]
    for k in range(1, settings.max_loops + 1):
        chosen += [keys.self_labels(k), keys.status_report(k), keys.filtered_pairs(k), keys.model_of(k)]
        if k == 1 and keys.NAIVE_RM in asked:
            chosen.append(keys.NAIVE_RM)
    chosen += [keys.EVOLVED_RM, *(key for key in asked if key not in before_the_end)]
    if policy:
        chosen += [keys.JUDGE_RM, keys.PPO_POLICY, keys.POLICY_EVALUATION]
    chosen += [keys.AUDIT_SYNC, keys.REPORT]
    return _asset_keys(chosen)


def advice_keys() -> list[dg.AssetKey]:
    """What `ser advise` makes, in its order: what a run makes before its first loop, and a seed RM of half the labels.

    They are among `run_keys` where `controls.half_seed` is set.
    """
    return _asset_keys([*SEED, keys.HALF_SEED_RM])


def _asset_keys(chosen: Sequence[str]) -> list[dg.AssetKey]:
    return [dg.AssetKey(key.split("/")) for key in chosen]
