"""What an export and its card are made from: a finished evolution (`choose_evolution`), and what is known of it."""

from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.audit.record import made_from
from resources.evolution import Evolution
from resources.exports.labels import KeptLabels, LoopLabels
from resources.exports.origin import backbone_origin
from resources.loop_rows import loop_rows
from resources.measuring import measure_member
from resources.reporting.words import selection_words
from ser.data import tables
from ser.data.pairs import Pair
from ser.errors import SerError

CHECKED = 8
"""Held-out pairs on which an export is compared with the model that it was made from."""


def run_facts(work: Evolution) -> dict[str, Any]:
    """The data, the loops and the promotion of an evolution."""
    encoded, promotion = work.heads.get(keys.ENCODED_PAIRS), work.heads.get(keys.EVOLVED_RM).summary
    dataset = work.dataset
    return {
        "dataset": dataset,
        "simulated": dataset == "sample",
        "snapshot": work.snapshot,
        "recipe": work.settings.recipe,
        "select": work.settings.method.select,
        "selection": selection_words(work.settings.method.model_dump()),
        "settings": work.settings.digest,
        "evolution": work.identity,
        "roles": {role: encoded.summary[role] for role in ("seed", "pool", "calibration", "test")},
        "loops": [row | {"accuracy": _accuracy(row, encoded.summary["test"])} for row in loop_rows(work)],
        "promoted": {"loop": promotion["promoted_loop"], "why": promotion["why"]},
    }


class ExportedModel(NamedTuple):
    """A reward model that leaves: its adapter, what it says of held-out pairs, and the facts of its card."""

    adapter: Path
    heldout: Artifact
    facts: dict[str, Any]


def reward_model(work: Evolution, loop: int | None, member: int | None) -> ExportedModel:
    """A loop's reward model, by default the promoted one; of one that is a mean, the member that is asked for.

    Raises:
        SerError: the evolution has no such loop, its model no such member, or its backbone is no longer what it was.
    """
    last = work.trained_loops()[-1]
    if loop is None:
        loop = work.heads.get(keys.EVOLVED_RM).summary["promoted_loop"]
    if not 0 <= loop <= last:
        raise SerError(f"--loop {loop} is impossible: {work.identity} has the models 0 (the seed) to {last}.")
    whole = work.heads.get(keys.model_of(loop))
    members = len(work.members(whole))
    _check_member(loop, member, members)
    model, heldout = whole, work.heads.get(keys.heldout_of(whole.key))
    mean = heldout.summary["metrics"]["test"]["accuracy"]
    if member is not None:
        model = work.heads.get(keys.member_of(whole.key, member))
        heldout = measure_member(work, whole, member)
    return ExportedModel(
        work.members(whole)[member or 0].path,
        heldout,
        {
            "loop": loop,
            "rm_version": model.version,
            "member": member,
            "members": members,
            "mean": mean,
            **arithmetic(work, model),
            "max_length": work.settings.encoding.max_length,
            **{name: model.summary[name] for name in ("n_human", "n_pseudo")},
            **{name: heldout.summary[name] for name in ("metrics", "temperature", "reward_offset")},
        },
    )


def _check_member(loop: int, member: int | None, members: int) -> None:
    if member is None and members > 1:
        raise SerError(
            f"the reward model of loop {loop} is the mean of {members}, which transformers cannot hold as one.\n"
            f"Say which of them leaves: --member 0 to {members - 1}. PPO here uses the mean."
        )
    if member is not None and not 0 <= member < members:
        has = f"has the members 0 to {members - 1}" if members > 1 else "has no members: leave it out"
        raise SerError(f"--member {member} is impossible: the reward model of loop {loop} {has}.")


def policy(work: Evolution) -> tuple[Artifact, dict[str, Any]]:
    """The policy of an evolution, and the facts about it.

    Raises:
        SerError: the evolution has none, or its backbone is no longer what it was.
    """
    artifact = work.heads.find(keys.PPO_POLICY)
    if work.gate_is_closed():
        raise SerError(
            f"the evolution {work.identity} has no policy: its seed RM is {work.gate().words}.\n"
            f"`ser run --dataset {work.dataset} --anyway` trains one all the same."
        )
    if artifact is None:
        raise SerError(
            f"the evolution {work.identity} has no policy. Run `ser run --dataset {work.dataset}`, with its settings "
            "and without --no-policy, first."
        )
    told = ("episodes", "prompts", "first_mean_reward", "mean_reward", "kl")
    return artifact, {
        "policy_version": artifact.version,
        "rm_version": artifact.manifest["inputs"]["reward_model"]["version"],
        **arithmetic(work, artifact),
        "response_tokens": work.settings.ppo.response_tokens,
        **{name: artifact.summary[name] for name in told},
    }


def evaluation(work: Evolution) -> dict[str, Any] | None:
    """What the judge said of the policy of an evolution; None if it has not judged this one."""
    judged = work.heads.find(keys.POLICY_EVALUATION)
    if judged is None or not made_from(judged, "policy", work.heads.get(keys.PPO_POLICY).part("policy")):
        return None
    return judged.summary


def kept_labels(work: Evolution) -> KeptLabels:
    """The labels that the loops of an evolution kept.

    Raises:
        SerError: they kept none.
    """
    loops = []
    labelled_loops = work.trained_loops()[1:]
    if work.settings.method.pool == "whole":  # each loop labels every pair anew: the latest labels count
        labelled_loops = labelled_loops[-1:]
    for loop in labelled_loops:
        labelled, filtered = (work.heads.get(key(loop)) for key in (keys.self_labels, keys.filtered_pairs))
        by = labelled.manifest["inputs"]["reward_model"]["version"]
        tables_ = (labelled.path / "self_labels.parquet", filtered.path / "filtered.parquet")
        loops.append(LoopLabels(loop, by, *tables_))
    if not loops:
        raise SerError(f"no loop of {work.identity} kept a pair, so there are no labels to export.")
    landed, pool = work.heads.get(keys.LANDED_PAIRS), work.pairs("pool")
    return KeptLabels(work.snapshot, landed.path / "pairs.parquet", pool.path, loops)


def heldout_rows(work: Evolution, heldout: Artifact) -> list[tuple[Pair, float, float]]:
    """A few test pairs with the rewards that are recorded for them."""
    rows = tables.read(heldout.path / "heldout.parquet")
    recorded = {row["pair_id"]: row for row in islice((row for row in rows if row["split"] == "test"), CHECKED)}
    texts = tables.read(work.pairs("test").path, columns=tables.PAIRS.names)
    return [
        (Pair(**row), recorded[row["pair_id"]]["reward_a"], recorded[row["pair_id"]]["reward_b"])
        for row in texts
        if row["pair_id"] in recorded
    ]


def arithmetic(work: Evolution, model: Artifact) -> dict[str, str]:
    """The type of the numbers and of the frozen weights with which a model was trained.

    Raises:
        SerError: the backbone is no longer the one that it was trained on.
    """
    if model.manifest["inputs"]["backbone"]["sha256"] != work.backbone().digest:
        raise SerError(
            f"the backbone {work.settings.backbone.model} is no longer the one that {model.key} was trained on. "
            f"Put it back, or run again: ser run --dataset {work.dataset}"
        )
    said = model.manifest["spec"]["arithmetic"]
    return {"dtype": said["dtype"], "weights": said.get("weights", "full")}


def origin(work: Evolution) -> dict[str, Any]:
    """What is known of the evolution's backbone."""
    return backbone_origin(work.settings, work.backbone().path)


def _accuracy(row: dict[str, Any], n: int) -> dict[str, Any] | None:
    """The test accuracy of a loop's reward model; a loop that converged has none."""
    if row["test_accuracy"] is None:
        return None
    ends = {"ci_low": row["test_accuracy_low"], "ci_high": row["test_accuracy_high"]}
    return {"value": row["test_accuracy"], **ends, "n": n}
