"""`ser plan`: what an evolution would cost on some GPUs, and whether it fits, before anything is spent."""

import argparse
import json

from resources.planning.model import read_configuration
from resources.planning.pairs import DatasetFacts, count_pairs, read_dataset
from resources.planning.plan import Plan, make_plan
from resources.settings import Settings
from resources.settings_file import data_root, load_settings
from ser.errors import SerError
from ser.planning.cards import Cards
from ser.planning.flops import HH_TOKENS, PairLengths
from ser.planning.memory import longest_pair
from ser.planning.model_size import count_parameters
from ser.planning.shape import ModelShape
from ser_dagster.commands.plan_words import assumptions, print_plan


def plan_command(parsed: argparse.Namespace) -> None:
    """Print the plan."""
    if (parsed.pairs is None) == (parsed.dataset is None):
        parsed.wrong_use("say how many pairs: either --pairs N or --dataset NAME.")
    if parsed.labelled is not None and parsed.pairs is None:
        parsed.wrong_use("--labelled goes with --pairs: of a dataset it is known.")
    cards = Cards.parse(parsed.gpus, parsed.price)
    # The cards are those of another machine: whether this one has any is not asked.
    settings = load_settings(preset=parsed.preset, assignments=[*parsed.set, "compute.device=cpu"])
    config = read_configuration(settings.backbone)
    shape = ModelShape.from_config(config)
    facts = read_dataset(data_root(), settings, parsed.dataset) if parsed.dataset else None
    counts = facts.counts if facts else count_pairs(settings.roles, parsed.pairs, parsed.labelled)
    lengths, measured = _lengths(parsed.tokens, facts, settings.encoding.max_length)
    plan = make_plan(settings, shape, count_parameters(config), cards, counts, lengths, parsed.kept)
    said = assumptions(plan, settings, measured, parsed.kept)
    if parsed.json:
        print(json.dumps(_about(settings, facts) | plan.document() | {"assumptions": said}))
    else:
        print_plan(plan, _heading(settings, plan), said)


def _lengths(tokens: int | None, facts: DatasetFacts | None, max_length: int) -> tuple[PairLengths, str]:
    """How long pairs are, and where that is from.

    Raises:
        SerError: no pair can be as long as was said.
    """
    if tokens is not None:
        if tokens > longest_pair(max_length):
            raise SerError(
                f"--tokens {tokens:,} is impossible: with encoding.max_length = {max_length:,} a pair has at most "
                f"{longest_pair(max_length):,}.\nSay fewer, or --set encoding.max_length=N."
            )
        return PairLengths.like_hh(tokens), "--tokens"
    if facts is not None:
        return facts.lengths, facts.measured
    return PairLengths.like_hh(HH_TOKENS), "hh-rlhf's; --tokens says yours"


def _about(settings: Settings, facts: DatasetFacts | None) -> dict[str, object]:
    return {
        "preset": settings.preset,
        "model": settings.backbone.model,
        "recipe": settings.recipe,
        "loops": settings.loops,
        "snapshot": facts.snapshot if facts else None,
    }


def _heading(settings: Settings, plan: Plan) -> str:
    name = settings.preset if settings.backbone.model == "embedded" else settings.backbone.model
    loops = f"{settings.loops} loop{'' if settings.loops == 1 else 's'}"
    return f"{name}, {plan.parameters:,} parameters, on {plan.cards}; recipe {settings.recipe}, {loops}"
