"""How far an evolution came, told from manifests and summaries: no table and no model is read."""

from collections.abc import Iterator

from resources import asset_keys as keys
from resources.audit.record import EvolutionRecord
from resources.evolution import Evolution
from ser.method.gate import is_shown


def outline(work: Evolution) -> EvolutionRecord:
    """What an evolution has now, without leftovers of earlier executions; a damaged artifact counts as not made."""
    artifacts = {key: found for key in work.heads.made() if (found := work.find(key, look=True)) is not None}
    about = work.heads.about()
    name, at = about.get("name"), about.get("executed_at")
    record = EvolutionRecord(work.identity, name, at, work.snapshot, work.dataset, work.settings, artifacts)
    return record.without_leftovers()


def next_to_make(record: EvolutionRecord, *, policy: bool) -> str | None:
    """The key of the asset that an execution of this evolution would have to make next; None if it lacks none.

    Args:
        record: without leftovers.
        policy: whether a policy and its evaluation are wanted.
    """
    missing = next((key for key in _in_order(record, policy) if key not in record.artifacts), None)
    return None if missing is None else keys.measured_model(missing) or missing


def _in_order(record: EvolutionRecord, policy: bool) -> Iterator[str]:
    """Every key of the evolution in the order of the graph; whoever asks for the next one has found the one before."""
    settings, artifacts = record.settings, record.artifacts
    yield from (keys.LANDED_PAIRS, keys.SPLITS, keys.VAULT)
    if settings.sft:
        yield keys.BACKBONE
    yield from (keys.ENCODED_PAIRS, keys.SEED_RM, keys.heldout_of(keys.SEED_RM))
    accuracy = artifacts[keys.heldout_of(keys.SEED_RM)].summary["metrics"]["calibration"]["accuracy"]
    is_open = settings.anyway or is_shown(accuracy)
    if is_open:
        yield from _loops(record)
    yield keys.EVOLVED_RM
    if is_open and policy:
        yield from (keys.JUDGE_RM, keys.PPO_POLICY, keys.POLICY_EVALUATION)
    for control in settings.controls.asked:
        if _is_possible(record, control, is_open):
            yield from (control, keys.heldout_of(control))


def _is_possible(record: EvolutionRecord, control: str, is_open: bool) -> bool:
    """Whether there can be a control, for the reasons that `assets.controls` has."""
    artifacts, a_loop = record.artifacts, is_open and keys.model_of(1) in record.artifacts
    if control in (keys.FULL_LABEL_RM, keys.TRUE_LABEL_RM) and not artifacts[keys.VAULT].summary["vault"]:
        return False
    if control == keys.FULL_LABEL_RM:
        return True
    if control == keys.HALF_SEED_RM:
        halves = artifacts.get(keys.SEED_HALVES)
        return halves is None or halves.summary["n_left_out"] > 0
    if control == keys.NAIVE_RM:
        return is_open and record.settings.method.select != "all"
    labels = artifacts.get(keys.TRUE_LABELS) if control == keys.TRUE_LABEL_RM else None
    return a_loop and (labels is None or labels.summary["n_labelled"] > 0)


def _loops(record: EvolutionRecord) -> Iterator[str]:
    for loop in range(1, record.settings.loops + 1):
        yield from (keys.self_labels(loop), keys.status_report(loop))
        if record.artifacts[keys.status_report(loop)].summary["ends"]:
            return
        model = keys.model_of(loop)
        yield from (keys.filtered_pairs(loop), model, keys.heldout_of(model))
