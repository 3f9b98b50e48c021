"""`ser promote`: a person promotes a loop by hand, or takes that back."""

import argparse
import json
import sys
from getpass import getuser
from typing import Any

from ser.errors import SerError


def promote_command(parsed: argparse.Namespace) -> None:
    """Promote the loop, or leave it to the rule again, and say what is promoted now."""
    if parsed.undo == (parsed.loop is not None):
        parsed.wrong_use("give the loop to promote, or --undo.")
    if not parsed.undo and not (parsed.why or "").strip():
        parsed.wrong_use("--why is needed: the audit says why a person overruled the rule.")

    from assets.evolved import choose_promoted
    from resources.locks import own_evolution
    from ser_dagster.commands.choose_evolution import choose_evolution

    work = choose_evolution(parsed.dataset, parsed.evolution, fall_back=False)
    with own_evolution(work.root, work.identity, "ser promote"):
        before = work.heads.promoted_by_hand()
        work.heads.promote_by_hand(None if parsed.undo else _decision(work, parsed))
        try:
            promotion = choose_promoted(work)
        except BaseException:
            work.heads.promote_by_hand(before)
            raise
        _tell_everyone(work, promotion)
    if parsed.json:
        print(json.dumps({"evolution": work.identity, **promotion.summary}))
        return
    print(f"{work.identity}: {promotion.summary['why']}.")
    print(f"To train the policy under it, under the settings of the evolution: ser run --dataset {work.dataset}")


def _decision(work: Any, parsed: argparse.Namespace) -> Any:
    from resources import asset_keys as keys
    from ser.specs import HandPromotion

    by = (_login_name() if parsed.by is None else parsed.by).strip()
    if not by:
        raise SerError("the audit says who decided, and there is no login name. Give one: --by NAME")
    if parsed.loop not in work.trained_loops():
        work.require_model(parsed.loop)
    version = work.heads.get(keys.model_of(parsed.loop)).version
    return HandPromotion(loop=parsed.loop, rm_version=version, by=by, why=parsed.why.strip())


def _login_name() -> str:
    """The login name; empty where the user has none, as in many containers."""
    try:
        return getuser()
    except (OSError, KeyError):
        return ""


def _tell_everyone(work: Any, promotion: Any) -> None:
    """Bring the promotion into the audit, the report and the Dagster page."""
    import dagster as dg
    from dagster._core.definitions.data_version import DATA_VERSION_TAG

    from assets.audit import sync_run, write_report
    from assets.evolved import described_promotion
    from resources import asset_keys as keys
    from resources.audit.writing import AuditBusy
    from ser_dagster.dagster_instance import instance

    try:
        sync_run(work)
        write_report(work)
    except AuditBusy as error:
        print(f"ser: it is promoted, but audit and report are left to the next ser run. {error}", file=sys.stderr)
    with instance() as dagster:
        dagster.report_runless_asset_event(
            dg.AssetMaterialization(
                keys.EVOLVED_RM,
                partition=work.snapshot,
                metadata=described_promotion(work, promotion),
                tags={DATA_VERSION_TAG: promotion.version},
            )
        )
