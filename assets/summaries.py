"""What an asset says of itself first: one sentence with its numbers, from its artifact."""

from collections.abc import Mapping
from pathlib import Path

from resources import asset_keys as keys
from resources.artifacts import Artifact
from resources.reporting.numbers import gain_words, number, percent, percent_within, signed
from resources.reporting.words import VERDICTS, name_of_loop
from ser.data import tables
from ser.data.roles import ROLES
from ser.method.promotion import GATE_NOT_SHOWN
from ser.method.stats import Gain

STATUSES = {"1": "good against bad", "2": "finer ranking"}
_FLIPPED = "SELECT count(*) FROM now JOIN before USING (pair_id) WHERE now.preferred <> before.preferred"


def of_landed(pairs: int, labelled: int, new: int) -> str:
    """What has landed, and how much of it is new in this snapshot."""
    return f"{_counted(pairs, 'pair')}, {number(labelled)} of them labelled; {number(new)} new in this snapshot"


def of_splits(splits: Artifact) -> str:
    """How many pairs each role has."""
    said = splits.summary
    unused = f"; {number(said['unused'])} unused" if said["unused"] else ""
    roles = (f"{number(said[role])} {role}" for role in ("seed", "calibration", "test"))
    return f"{', '.join(roles)} and {_counted(said['pool'], 'pool pair')}{unused}"


def of_vault(vault: Artifact) -> str:
    """How many labels are kept from all that learns."""
    n = vault.summary["vault"]
    return f"{_counted(n, 'human label')} of the pool, kept from all that learns"


def of_backbone(model: str, folder: Path, tuned: Artifact | None = None) -> str:
    """What the setting `model` names, how large its weights in `folder` are, and how fine-tuning went, if it did."""
    name = "the embedded model" if model == "embedded" else Path(model).name
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    size = f"{name}, {number(weights / 1e6, 1)} MB of weights"
    if tuned is None:
        return f"{size}; not fine-tuned"
    said = tuned.summary
    learnt = _counted(said["n_human"], "preferred seed response")
    return f"{size}; fine-tuned on {learnt}, loss {said['first_loss']:.3f} to {said['last_loss']:.3f}"


def of_encoded(encoded: Artifact, max_length: int) -> str:
    """How many pairs fit, and what was cut or left out of the others."""
    said = encoded.summary  # of all roles but the last, `unused`
    pairs, cut = (sum(said[f"{role}{what}"] for role in ROLES[:-1]) for what in ("", "_prompts_cut"))
    out = f"{number(said['left_out'])} left out, {_counted(cut, 'prompt')} cut to fit into {max_length} tokens"
    return f"{_counted(pairs, 'pair')} as tokens; {out}"


def of_reward_model(model: Artifact, heldout: Artifact, gained: Gain | None) -> str:
    """How good a reward model is on test pairs, what it gained over the seed, and what it learnt from."""
    parts = [percent_within(heldout.summary["metrics"]["test"]["accuracy"])]
    if gained is not None:
        parts.append(f"{signed(gained.value)} against the seed")
    said = model.summary
    of_machine = "true" if model.key == keys.TRUE_LABEL_RM else "machine"
    labels = f"{number(said['n_human'])} human and {number(said['n_pseudo'])} {of_machine} labels"
    parts.append(labels if said["n_pseudo"] else _counted(said["n_human"], "human label"))
    members = said.get("members", 1)
    return "; ".join([*parts, f"the mean of {members} models"] if members > 1 else parts)


def of_self_labels(labels: Artifact, flipped: int | None) -> str:
    """How much of the pool was labelled, and how many labels are not those of the loop before, if there was one."""
    since = "" if flipped is None else f", {number(flipped)} flipped since the loop before"
    return f"{number(labels.summary['n_pool'])} labelled{since}"


def count_flipped(now: Artifact, before: Artifact) -> int:
    """How many pairs have another label than in the loop before."""
    files = {name: labels.path / "self_labels.parquet" for name, labels in (("now", now), ("before", before))}
    flipped: int = tables.ask(_FLIPPED, **files)[0][0]
    return flipped


def of_status(report: Artifact) -> str:
    """The learning status with what decided it; where something else selects, that first."""
    said = report.summary
    if not said["n_pool"]:
        return "converged: the pool is empty"
    status, least = said["status"], f"of at least {number(said['n_min'])}"
    if status in STATUSES:
        learning = f"{status} – {STATUSES[status]}: {number(said[f'n_status_{status}'])} {least}"
    else:
        found = (f"{number(said[f'n_status_{one}'])} {words}" for one, words in STATUSES.items())
        learning = f"converged: {', '.join(found)}, {least}"
    if said["select"] == "status":
        return learning
    return f"{_selection(report)}; the status decides nothing ({learning})"


def _selection(report: Artifact) -> str:
    said = report.summary
    if said["select"] == "all":
        return f"all {number(said['n_pool'])} are kept"
    cut = said["precision"]
    promised, least = percent(cut["promised"]), percent(cut["precision_low"])
    if cut["confidence"] is None:
        return (
            f"converged: no cut of confidence leaves {number(said['n_min'])} of which {promised} are right, as promised"
        )
    above = f"{number(cut['n'])} above a confidence of {cut['confidence']:.3f}"
    return f"{above}: at least {least} of them right, {promised} promised"


def of_filtered(filtered: Artifact) -> str:
    """How many pairs were kept and left, and by which rule."""
    said = filtered.summary
    return f"{number(said['n_kept'])} kept, {number(said['n_left'])} left in the pool; rule {said['rule']}"


def of_promotion(promotion: Artifact, statistic: str) -> str:
    """The verdict: which reward model it is, and what was shown of the last loop."""
    said = promotion.summary
    name, hand = name_of_loop(said["promoted_loop"]), said.get("promoted_by")
    chosen = f"the {name} stays" if said["promoted_loop"] == 0 else f"{name} is promoted"
    chosen = f"{name}, promoted by hand by {hand}" if hand else chosen
    if said["verdict"] == GATE_NOT_SHOWN:
        return f"{chosen} – {said['why']}"
    if said.get("gain") is None:
        return f"{chosen} – no loop trained another"
    last, gain = said["candidates"][-1], said["gain"]
    gained = gain_words(gain["value"], gain["low"], gain["high"], statistic)
    verdict = f"{name_of_loop(last['loop'])} is {VERDICTS[said['verdict']]}: {gained}, at 90 %"
    return f"{chosen} – {verdict}, on {_counted(last['n'], 'calibration pair')}"


def of_policy(policy: Artifact) -> str:
    """How the reward went over the training of a policy, and how far it moved from its base."""
    said = policy.summary
    before, after, kl = (number(said[name], 2) for name in ("first_mean_reward", "mean_reward", "kl"))
    return f"reward {before} to {after} over {_counted(said['episodes'], 'episode')}; KL {kl} nat a response"


def of_judgement(evaluation: Artifact) -> str:
    """How often the policy wins, and how far its judge can be trusted."""
    said = evaluation.summary
    outcomes = f"{number(said['win'])} won, {number(said['tie'])} tied, {number(said['loss'])} lost"
    trust = percent(said["judge"]["accuracy"]["value"])
    rate = percent_within(said["win_rate"])
    return f"win rate {rate}; {outcomes} of {_counted(said['n'], 'prompt')}; the judge is right on {trust}"


def of_judge(judge: Artifact) -> str:
    """How good the judge of policies is, on pairs that it was not trained on."""
    said = judge.summary
    labels = "judge's" if said["labels"] == "judge" else "people's"
    longer = percent(said["longer_wins"]["value"])
    return f"{percent_within(said['accuracy'])} of {number(said['n'])} {labels} labels; the longer wins on {longer}"


def of_audit(rows: Mapping[str, int], wrong: int, known: int) -> str:
    """What the audit has of an evolution, and how many of the kept labels that the vault knows it contradicts."""
    has = f"{_counted(rows['self_labels'], 'machine label')}, {_counted(rows['reward_models'], 'reward model')}"
    if not known:
        return f"{has}; no kept label is in the vault"
    return f"{has}; the vault contradicts {number(wrong)} of {_counted(known, 'kept label')}"


def _counted(n: int, what: str) -> str:
    return f"{number(n)} {what}{'' if n == 1 else 's'}"
