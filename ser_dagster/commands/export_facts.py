"""What an export and its card are made from: the latest finished run of a dataset, and what is known of it."""

import sys
from itertools import islice
from typing import Any

from assets.evolved import finished_models
from assets.gate import is_closed, seed_gate
from resources.artifacts import Artifact
from resources.audit.record import made_from, model_of
from resources.exports.labels import KeptLabels, LoopLabels
from resources.exports.origin import backbone_origin
from resources.heads import known_runs
from resources.landing.zone import Landing
from resources.settings import data_root, load_settings
from resources.workshop import Workshop
from ser.data import tables
from ser.data.pairs import Pair
from ser.errors import SerError
from ser_dagster.commands.run import loop_rows

CHECKED = 8
"""Held-out pairs on which an export is compared with its run."""


def finished_run(dataset: str | None) -> Workshop:
    """The latest run that finished on the current snapshot of a dataset, or else on an earlier one, which is said.

    Raises:
        SerError: there is none, a later one on its snapshot has begun and not finished, or the dataset has to be named.
    """
    root = data_root()
    zone = Landing(root, load_settings())
    known = zone.datasets()
    if dataset is None and len(known) != 1:
        raise SerError(f"name the dataset with --dataset; known are: {', '.join(known) or 'none'}.")
    name = dataset or known[0]
    snapshot = zone.current_snapshot(name)
    runs = [run for run in known_runs(root) if run[0].rpartition("-")[0] == name]
    runs.sort(key=lambda run: run[0] == snapshot)
    for other, settings in reversed(runs):
        work = Workshop(root, settings, other, terminal=True)
        if work.find("evolved_rm") is not None:
            _refuse_unmeasured(work, name)
            if other != snapshot:
                print(f"No run has finished on {snapshot} yet: this is of {other}.", file=sys.stderr)
            return work
    raise SerError(f"no run of {name} has finished. Run: ser run --dataset {name}")


def _refuse_unmeasured(work: Workshop, dataset: str) -> None:
    """Raise if a reward model was made again by a run that did not come to its held-out pairs."""
    for key in finished_models(work):
        if not made_from(work.heads.get(f"{key}.heldout"), "reward_model", work.heads.get(key).part("rm")):
            raise SerError(
                f"a later run on {work.snapshot} made {key} again and did not finish. Run: ser run --dataset {dataset}"
            )


def run_facts(work: Workshop) -> dict[str, Any]:
    """The data, the loops and the promotion of a run."""
    encoded, promotion = work.heads.get("encoded_pairs"), work.heads.get("evolved_rm").summary
    dataset = work.landing().dataset_of(work.snapshot)
    return {
        "dataset": dataset,
        "simulated": dataset == "sample",
        "snapshot": work.snapshot,
        "recipe": work.settings.recipe,
        "settings": work.settings.digest,
        "roles": {role: encoded.summary[role] for role in ("seed", "pool", "calibration", "test")},
        "loops": [row | {"accuracy": _accuracy(row, encoded.summary["test"])} for row in loop_rows(work)],
        "promoted": {"loop": promotion["promoted_loop"], "why": promotion["why"]},
    }


def reward_model(work: Workshop, loop: int | None) -> tuple[Artifact, dict[str, Any]]:
    """A loop's reward model, by default the promoted one, and the facts about it.

    Raises:
        SerError: the run has no such loop, or its backbone is no longer what it was.
    """
    last = len(finished_models(work)) - 1
    if loop is None:
        loop = work.heads.get("evolved_rm").summary["promoted_loop"]
    if not 0 <= loop <= last:
        raise SerError(f"--loop {loop} is impossible: this run has the reward models 0 (the seed) to {last}.")
    model = work.heads.get(model_of(loop))
    heldout = work.heads.get(f"{model.key}.heldout").summary
    return model, {
        "loop": loop,
        "rm_version": model.version,
        "dtype": arithmetic(work, model),
        "max_length": work.settings.encoding.max_length,
        **{name: model.summary[name] for name in ("n_human", "n_pseudo")},
        **{name: heldout[name] for name in ("metrics", "temperature", "reward_offset")},
    }


def policy(work: Workshop) -> tuple[Artifact, dict[str, Any]]:
    """The policy of a run, and the facts about it.

    Raises:
        SerError: the run trained none, or its backbone is no longer what it was.
    """
    artifact = work.heads.find("ppo_policy")
    if is_closed(work):
        raise SerError(
            f"the run on {work.snapshot} has no policy: its seed RM is {seed_gate(work).words}.\n"
            "`ser run --anyway` trains one all the same."
        )
    if artifact is None:
        raise SerError(f"the run on {work.snapshot} has no policy. Run `ser run` without --no-policy first.")
    told = ("episodes", "prompts", "first_mean_reward", "mean_reward", "kl")
    return artifact, {
        "policy_version": artifact.version,
        "rm_version": artifact.manifest["inputs"]["reward_model"]["version"],
        "dtype": arithmetic(work, artifact),
        "response_tokens": work.settings.ppo.response_tokens,
        **{name: artifact.summary[name] for name in told},
    }


def evaluation(work: Workshop) -> dict[str, Any] | None:
    """What the judge said of the policy of a run; None if it has not judged this one."""
    judged = work.heads.find("policy_evaluation")
    if judged is None or not made_from(judged, "policy", work.heads.get("ppo_policy").part("policy")):
        return None
    return judged.summary


def kept_labels(work: Workshop) -> KeptLabels:
    """The labels that the loops of a run kept.

    Raises:
        SerError: they kept none.
    """
    loops = []
    for loop in range(1, len(finished_models(work))):
        labelled, filtered = (work.heads.get(f"loop_{loop}/{name}") for name in ("self_labels", "filtered_pairs"))
        by = labelled.manifest["inputs"]["reward_model"]["version"]
        tables_ = (labelled.path / "self_labels.parquet", filtered.path / "filtered.parquet")
        loops.append(LoopLabels(loop, by, *tables_))
    if not loops:
        raise SerError(f"no loop of the run on {work.snapshot} kept a pair, so there are no labels to export.")
    landed, pool = work.heads.get("landed_pairs"), work.pairs("pool")
    return KeptLabels(work.snapshot, landed.path / "pairs.parquet", pool.path, loops)


def heldout_rows(work: Workshop, key: str) -> list[tuple[Pair, float, float]]:
    """A few test pairs with the rewards that the run recorded for them."""
    rows = tables.read(work.heads.get(f"{key}.heldout").path / "heldout.parquet")
    recorded = {row["pair_id"]: row for row in islice((row for row in rows if row["split"] == "test"), CHECKED)}
    texts = tables.read(work.pairs("test").path, columns=tables.PAIRS.names)
    return [
        (Pair(**row), recorded[row["pair_id"]]["reward_a"], recorded[row["pair_id"]]["reward_b"])
        for row in texts
        if row["pair_id"] in recorded
    ]


def arithmetic(work: Workshop, model: Artifact) -> str:
    """The arithmetic in which a model was trained.

    Raises:
        SerError: the backbone is no longer the one that it was trained on.
    """
    if model.manifest["inputs"]["backbone"]["sha256"] != work.backbone().digest:
        raise SerError(
            f"the backbone {work.settings.backbone.model} is no longer the one that {model.key} was trained on. "
            "Put it back, or run again: ser run"
        )
    return model.manifest["spec"]["arithmetic"]["dtype"]


def origin(work: Workshop) -> dict[str, Any]:
    """What is known of the run's backbone."""
    return backbone_origin(work.settings, work.backbone().path)


def _accuracy(row: dict[str, Any], n: int) -> dict[str, Any] | None:
    """The test accuracy of a loop's reward model; a loop that converged has none."""
    if row["test_accuracy"] is None:
        return None
    ends = {"ci_low": row["test_accuracy_low"], "ci_high": row["test_accuracy_high"]}
    return {"value": row["test_accuracy"], **ends, "n": n}
