"""Asset checks: what must hold of what was made, and what to look at when it does not."""

import warnings
from typing import Any

import dagster as dg

from assets.audit import LEFT, audit_path, why_left
from assets.ser_resource import SNAPSHOTS, SerResource
from resources import asset_keys as keys
from resources.audit.database import AuditDatabase
from resources.audit.sync import matches_parquet
from resources.audit.writing import AuditBusy
from ser.data import tables
from ser.method.stats import gain, is_above_chance, share
from ser.method.suspicion import suspicions

# Without partitions one dataset's failure would turn the checks of all others red; the versions of Dagster are pinned,
# so its preview is no surprise.
warnings.filterwarnings("ignore", "Specifying a partitions_def", dg.PreviewWarning)

LOOK_AT = "look_at"
"""The metadata of a failed check that says what to look at."""
FALLS = "accuracy falls: look at the precision of the most confident labels"


@dg.asset_check(asset=keys.SPLITS, blocking=True, partitions_def=SNAPSHOTS)
def no_pair_in_two_roles(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
    """Every pair, and every prompt and group that can be trained on, has one role only."""
    work = ser.evolution(context)
    splits, landed = work.heads.get(keys.SPLITS), work.heads.get(keys.LANDED_PAIRS)
    sides = {"seed": "train", "pool": "train", "calibration": "calibration", "test": "test"}
    every = " UNION ALL ".join(f"SELECT pair_id, prompt, '{side}' AS side FROM {role}" for role, side in sides.items())
    twice, mixed, groups = tables.ask(
        f"WITH every AS ({every}) SELECT "
        "(SELECT count(*) FROM (SELECT pair_id FROM every GROUP BY pair_id HAVING count(*) > 1)), "
        "(SELECT count(*) FROM (SELECT prompt FROM every GROUP BY prompt HAVING count(DISTINCT side) > 1)), "
        '(SELECT count(*) FROM (SELECT "group" FROM every JOIN landed USING (pair_id) WHERE "group" IS NOT NULL '
        'GROUP BY "group" HAVING count(DISTINCT side) > 1))',
        landed=landed.path / "pairs.parquet",
        **{role: splits.path / f"{role}.parquet" for role in sides},
    )[0]
    return dg.AssetCheckResult(
        passed=twice == mixed == groups == 0,
        metadata={
            "evolution": work.identity,
            "pairs_in_two_roles": twice,
            "prompts_in_two_roles": mixed,
            "groups_in_two_roles": groups,
        },
    )


@dg.asset_check(asset=keys.SEED_RM, partitions_def=SNAPSHOTS)
def shown_better_than_a_coin(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
    """The gate: the seed RM is shown to rank calibration pairs better than a coin; otherwise no loop is run."""
    work = ser.evolution(context)
    gate = work.gate()
    return dg.AssetCheckResult(
        passed=gate.shown,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"evolution": work.identity}
        | {name: "no number" if value is None else value for name, value in gate if name != "shown"},
    )


def shortcut_check(key: str) -> dg.AssetChecksDefinition:
    """The check of the reward model `key` for signs of a shortcut; a warning, because the model may be right."""

    @dg.asset_check(asset=dg.AssetKey(key.split("/")), name="no_sign_of_a_shortcut", partitions_def=SNAPSHOTS)
    def no_sign_of_a_shortcut(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
        """The test accuracy is neither suspiciously high nor that of "the longer response wins"."""
        work = ser.evolution(context)
        test = work.heads.get(keys.heldout_of(key)).summary["metrics"]["test"]
        found = suspicions(test["accuracy"], test["longer_wins"], work.heads.get(key).summary["n_human"])
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "evolution": work.identity,
                "accuracy": test["accuracy"]["value"],
                "longer_wins": test["longer_wins"]["value"],
            }
            | ({LOOK_AT: "; ".join(found)} if found else {}),
        )

    return no_sign_of_a_shortcut


@dg.asset_check(asset=keys.AUDIT_SYNC, partitions_def=SNAPSHOTS)
def label_precision(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
    """The kept labels of every loop agree with the vault more often than a coin (passes where there is no vault).

    A check of the audit, because nothing that belongs to a loop may reach the vault.
    """
    work = ser.evolution(context)
    splits, vault = work.find(keys.SPLITS), work.find(keys.VAULT)
    if splits is None or vault is None:
        gone = "the vault or the splits have been deleted meanwhile: materialize them again"
        about = {"evolution": work.identity, LOOK_AT: gone}
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata=about)
    metadata: dict[str, Any] = {"evolution": work.identity}
    passed = True
    for loop in work.trained_loops()[1:]:
        kept = work.heads.get(keys.filtered_pairs(loop)).path / "kept.parquet"
        rows = tables.ask(
            "SELECT kept.preferred = vault.preferred, unit "
            "FROM kept JOIN vault USING (pair_id) JOIN units USING (pair_id)",
            kept=kept,
            vault=vault.path / "vault.parquet",
            units=splits.path / "units.parquet",
        )
        measured = share([float(right) for right, _ in rows], [tied for _, tied in rows])
        passed &= not rows or is_above_chance(float(measured["ci_low"] or 0))
        said = {name: "no vault" if value is None else value for name, value in measured.items()}
        metadata |= {f"loop_{loop}_{name}": value for name, value in said.items()}
    return dg.AssetCheckResult(
        passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata | ({} if passed else {LOOK_AT: FALLS})
    )


@dg.asset_check(asset=keys.AUDIT_SYNC, partitions_def=SNAPSHOTS)
def audit_equals_parquet(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
    """The rows of the audit database are those of the parquet artifacts."""
    work = ser.evolution(context)
    if (why := why_left(context)) is not None:
        return _left(why)
    try:
        differences = matches_parquet(AuditDatabase(audit_path(work.root)), work.record())
    except AuditBusy as error:
        return _left(str(error))
    return dg.AssetCheckResult(
        passed=not differences,
        metadata={"evolution": work.identity, "differences": "\n".join(differences) or "none"},
    )


def _left(why: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={LEFT: why})


def loop_checks(k: int) -> list[dg.AssetChecksDefinition]:
    """The checks of loop `k`: warnings, because a bad loop is a result and not a failure."""
    model_key = dg.AssetKey(keys.model_of(k).split("/"))

    @dg.asset_check(asset=model_key, name="not_worse_than_before", partitions_def=SNAPSHOTS)
    def not_worse_than_before(context: dg.AssetCheckExecutionContext, ser: SerResource) -> dg.AssetCheckResult:
        """The RM is not clearly worse on calibration pairs than that of the loop before."""
        work = ser.evolution(context)
        before, after = (
            tables.right(work.heads.get(keys.heldout_of(keys.model_of(loop))).path / "heldout.parquet", "calibration")
            for loop in (k - 1, k)
        )
        tied = tables.groups(work.pairs("calibration").path)
        points, low, high = gain(list(before.values()), list(after.values()), [tied[pair_id] for pair_id in after])
        measured: dict[str, Any] = {"gain": points, "ci_low": low, "ci_high": high, "n": len(after)}
        return dg.AssetCheckResult(
            passed=high >= 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"evolution": work.identity} | measured | ({} if high >= 0 else {LOOK_AT: FALLS}),
        )

    return [not_worse_than_before, shortcut_check(keys.model_of(k))]
