"""The whole graph, unrolled for the K of the settings."""

from collections.abc import Sequence

import dagster as dg

from assets import audit, checks, controls, landed, policies, reward_models
from assets.evolved import evolved_rm
from assets.loops import loop_assets
from resources.settings import Settings


def graph(settings: Settings) -> tuple[Sequence[dg.AssetsDefinition], Sequence[dg.AssetChecksDefinition]]:
    """Every asset and every check."""
    loops = range(1, settings.loops + 1)
    assets = [
        landed.landed_pairs,
        landed.splits,
        *([reward_models.backbone] if settings.sft else []),
        landed.encoded_pairs(after="backbone" if settings.sft else "splits"),
        reward_models.seed_rm,
        *(asset for k in loops for asset in loop_assets(k)),
        evolved_rm(settings.loops),
        controls.full_label_rm,
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
        checks.shortcut_check("seed_rm"),
        checks.audit_equals_parquet,
        *every_loop,
    ]


def run_keys(settings: Settings, loops: int, policy: bool) -> list[dg.AssetKey]:
    """What one run makes: the chain up to loop `loops`; the policy with its judge; controls that are asked for."""
    keys = ["landed_pairs", "splits", *(["backbone"] if settings.sft else []), "encoded_pairs", "seed_rm"]
    for k in range(1, loops + 1):
        keys += [f"loop_{k}/{name}" for name in ("self_labels", "status_report", "filtered_pairs", "retrained_rm")]
    keys += ["evolved_rm", "audit_sync", "report"]
    if policy:
        keys += ["controls/judge_rm", "ppo_policy", "policy_evaluation"]
    if settings.controls.full_label:
        keys.append("controls/full_label_rm")
    return [dg.AssetKey(key.split("/")) for key in keys]
