"""`ser advise`: whether loops are likely to pay, before a long run."""

import argparse
import json
import sys
from collections.abc import Iterator

from assets.graph import advice_keys
from resources import asset_keys as keys
from resources.evolution import Evolution
from resources.reporting.numbers import difference, number, percent
from resources.seed_evidence import collect_evidence
from resources.settings_file import load_settings
from ser.method.advice import Advice, Evidence, advise
from ser.method.promotion import smallest_shown
from ser_dagster.commands.run import execute

HALF_SEED = "controls.half_seed=true"
"""Puts the control into the job; the evolution is the same one with or without it."""


def advise_command(parsed: argparse.Namespace) -> None:
    """Make what is missing of the evidence, and print the advice."""
    settings = load_settings(assignments=[*parsed.set, HALF_SEED], recipe=parsed.recipe, preset=parsed.preset)
    print(
        "ser: beyond what `ser run` makes anyway this costs at most one training of a seed RM, and its held-out scores",
        file=sys.stderr,
    )
    evolution, run_id = execute(settings, parsed.dataset, advice_keys(), command="ser advise")
    evidence = collect_evidence(evolution)
    advice = advise(evidence)
    if parsed.json:
        about = {"snapshot": evolution.snapshot, "evolution": evolution.identity, "run_id": run_id}
        print(json.dumps(about | {"advice": advice.words, "reasons": advice.reasons} | advice.numbers))
    else:
        _print(advice, evidence, evolution)


def _print(advice: Advice, evidence: Evidence, evolution: Evolution) -> None:
    print(advice.words)
    for reason in advice.reasons:
        print(f"  {reason}")
    print("Evidence:")
    for line in _evidence_lines(evidence, evolution):
        print(f"  {line}")


def _evidence_lines(evidence: Evidence, evolution: Evolution) -> Iterator[str]:
    gate, curve = evidence.gate, evidence.curve
    interval = f"{100 * gate.ci_low:.1f} to {100 * gate.ci_high:.1f}"
    yield (
        f"seed RM: {number(evidence.labels)} labels, right on {percent(gate.accuracy)} of {number(gate.n)} calibration "
        f"pairs (95 % interval {interval})"
    )
    if curve is not None:
        yield (
            f"from {number(evidence.half_labels)} to {number(evidence.labels)} labels: {difference(*curve)} points "
            f"(90 % interval, paired); a gain of {100 * smallest_shown(curve):.1f} would be shown with 80 % power"
        )
    yield f"pool: {number(evidence.pool)} pairs, of which a loop needs {number(evidence.n_min)}"
    if evidence.ceiling is not None:
        yield f"ceiling, all human labels over the seed: {difference(*evidence.ceiling)} points (90 % interval, paired)"
    elif evolution.heads.get(keys.VAULT).summary["vault"]:
        yield "ceiling: not measured; `ser run --set controls.full_label=true` trains a model of all human labels"
    else:
        yield "ceiling: not known, as no human label of the pool is"
    like = [f"{one.study} {difference(one.gain, one.low, one.high)} points" for one in evidence.like()]
    yield f"like cases on record: {'; '.join(like) or 'none'}"
