"""`ser export`: reward model, policy and labels for those who do not have this project."""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def rm_command(parsed: argparse.Namespace) -> None:
    """Export a reward model."""
    from resources.exports.folder import earlier_export, resolved
    from ser_dagster.commands import export_facts as facts
    from ser_dagster.commands.choose_evolution import choose_evolution

    work = choose_evolution(parsed.dataset, parsed.evolution)
    earlier_export(resolved(parsed.to), "rm")  # a member is measured first, which nobody should wait for in vain
    exported = facts.reward_model(work, parsed.loop, parsed.member)
    model, recorded = exported.facts, facts.heldout_rows(work, exported.heldout)

    def write(out: Path, base: Any) -> dict[str, Any]:
        from ser.export.check import Recorded, check_reward_model
        from ser.export.model_folder import write_reward_model

        backbone, adapter = work.backbone().path, exported.adapter
        write_reward_model(backbone, adapter, model["dtype"], base, out)
        pairs = [Recorded(*row) for row in recorded]
        return check_reward_model(backbone, adapter, model["dtype"], out, pairs, model["max_length"])

    about = {"run": facts.run_facts(work), "model": model, "backbone": facts.origin(work)}
    done = _export_model("rm", parsed.to, about, write, work)
    _tell(
        parsed,
        done,
        {
            "snapshot": work.snapshot,
            "evolution": work.identity,
            "loop": model["loop"],
            **({} if model["member"] is None else {"member": model["member"]}),
            "rm_version": model["rm_version"],
        },
    )


def policy_command(parsed: argparse.Namespace) -> None:
    """Export the policy."""
    from resources.asset_keys import SEED_RM, heldout_of
    from ser_dagster.commands import export_facts as facts
    from ser_dagster.commands.choose_evolution import choose_evolution

    work = choose_evolution(parsed.dataset, parsed.evolution)
    artifact, model = facts.policy(work)
    prompts = [pair.prompt for pair, _, _ in facts.heldout_rows(work, work.heads.get(heldout_of(SEED_RM)))]

    def write(out: Path, base: Any) -> dict[str, Any]:
        from ser.export.check import check_policy
        from ser.export.model_folder import write_policy

        backbone, adapter = work.backbone().path, artifact.part("policy").path
        write_policy(backbone, adapter, model["dtype"], base, out)
        return check_policy(backbone, adapter, model["dtype"], out, prompts)

    about = {
        "run": facts.run_facts(work),
        "model": model,
        "backbone": facts.origin(work),
        "evaluation": facts.evaluation(work),
    }
    done = _export_model("policy", parsed.to, about, write, work)
    _tell(
        parsed, done, {"snapshot": work.snapshot, "evolution": work.identity, "policy_version": model["policy_version"]}
    )


def labels_command(parsed: argparse.Namespace) -> None:
    """Export the labels that the loops kept."""
    from resources.exports.folder import Exported, export_folder, resolved
    from resources.exports.labels import write_file, write_lines
    from ser_dagster.commands import export_facts as facts
    from ser_dagster.commands.choose_evolution import choose_evolution

    work, place = choose_evolution(parsed.dataset, parsed.evolution), resolved(parsed.to)
    labels = facts.kept_labels(work)
    about = {"run": facts.run_facts(work), "labels": [loop.rm_version for loop in labels.loops]}

    def write(out: Path) -> dict[str, Any]:
        n = write_lines(labels, out / "labels.jsonl")
        _write_card("labels", out, about | {"n": n})
        return {"n": n}

    if place.suffix == ".jsonl" and not place.is_dir():
        done = Exported(place, {"n": write_file(labels, place)}, reused=False)
    else:
        done = export_folder(place, "labels", _identity("labels", place, about), write)
    _tell(parsed, done, _about(work))


def _about(work: Any) -> dict[str, str]:
    return {"snapshot": work.snapshot, "evolution": work.identity}


def _export_model(
    kind: str, to: Path, about: Mapping[str, Any], write: Callable[[Path, Any], dict[str, Any]], work: Any
) -> Any:
    """Export a model with its card; `write` makes its folders over a base and returns what its check found."""
    from resources.exports.folder import export_folder, resolved

    place, origin = resolved(to), about["backbone"]
    progress = work.progress(f"export {kind}")

    def whole(out: Path) -> dict[str, Any]:
        import torch

        from ser.export.model_folder import BACKBONE, Base

        torch.set_num_threads(work.settings.compute.execution.threads)
        progress(0, 1, "models", "merging, and comparing with what was trained")
        on_hub = origin["revision"] is not None
        base = Base(origin["hub_id"], origin["revision"]) if on_hub else Base(str(place / BACKBONE))
        check = write(out, base)
        _write_card(kind, out, {**about, "check": check})
        progress(1, 1, "models")
        return {"check": check}

    return export_folder(place, kind, _identity(kind, place, about), whole)


def _write_card(kind: str, out: Path, facts: Mapping[str, Any]) -> None:
    from resources.exports.cards import render_card

    (out / "README.md").write_text(render_card(kind, facts), encoding="utf-8")


def _identity(kind: str, place: Path, about: Mapping[str, Any]) -> str:
    """What an export depends on. The place is part of it, because an adapter names the folder of its backbone."""
    from resources.code_version import code_version
    from resources.exports.cards import card_digest

    code = code_version("ser.export.model_folder", "ser.export.check")
    content = [kind, str(place), about, code, card_digest()]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _tell(parsed: argparse.Namespace, done: Any, facts: Mapping[str, Any]) -> None:
    """Say what was exported, and what its user has to know."""
    if parsed.json:
        print(json.dumps({"to": str(done.place), **facts, **done.found, "reused": done.reused}))
        return
    about = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    print(f"{done.place}: {'already there' if done.reused else 'exported'}; {about}.")
    check = done.found.get("check")
    if check is None:
        print(f"{done.found['n']:,} pairs. No person checked these labels.")
        return
    merged, adapter = (f"{check[name]:.1e}" for name in ("merged", "adapter"))
    print(f"Compared with what was trained: merged differs by at most {merged}, adapter by {adapter}.")
    if check.get("same_tokens", 0) < check.get("responses", 0):
        missed = check["responses"] - check["same_tokens"]
        print(f"Note: {missed} of {check['responses']} texts become other tokens than in training; see its README.md.")
