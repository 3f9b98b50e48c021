"""What the numbers of an evolution allow to say, in honest sentences."""

from resources.reporting.numbers import number, percent
from resources.reporting.report_data import ReportData, Row
from ser.method.promotion import GATE_NOT_SHOWN, NOT_SHOWN, SHOWN, WORSE
from ser.method.suspicion import suspicions

VERDICTS = {
    SHOWN: "shown to be better",
    NOT_SHOWN: "not shown to be better",
    WORSE: "shown to be worse",
    GATE_NOT_SHOWN: "the seed is not shown to be better than a coin",
}
"""What is said of the last loop against the seed, or of the seed where no loop was run."""


def name_of_loop(loop: int) -> str:
    """A loop as people call it."""
    return "seed" if loop == 0 else f"loop {loop}"


def decision_words(data: ReportData) -> list[str]:
    """What the promotion was decided on, and what can be done with a model that it passed over, a sentence each."""
    promoted = data.promoted
    if promoted is None:
        return []
    said = [f"Decided on: {promoted['why'].rstrip('.')}."] if promoted["why"] else []
    if data.evolution["needed"] is not None:
        said.append(
            f"To show 2 points of accuracy, about {number(data.evolution['needed'])} calibration pairs are needed."
        )
    if promoted["loop"] == 0 and (loops := data.trained_loops):
        several = f"loops 1 to {loops[-1]}" if len(loops) > 1 else "loop 1"
        said.append(
            f"What can be made of {several} all the same: a policy (the asset loop_{loops[-1]}/ppo_policy, in the UI)."
            f"{_export(data, loops[-1])}"
        )
    return said


def _export(data: ReportData, loop: int) -> str:
    """The command that exports the reward model of a loop; of a mean of several, one of them."""
    what = "one of the models whose mean is the" if data.method["teachers"] > 1 else "the"
    return f" To export {what} reward model of loop {loop}: {export_command(data, loop)}."


def export_command(data: ReportData, loop: int | None = None) -> str:
    """What exports the reward model of a loop, by default of the promoted one; of a mean of several, the first."""
    which = "" if loop is None else f" --loop {loop}"
    member = " --member 0" if data.method["teachers"] > 1 else ""
    return f"ser export rm{which}{member} --evolution {data.evolution['evolution']} --to DIR"


def suspicion_words(data: ReportData) -> list[str]:
    """What is suspicious about the test accuracies, a sentence each."""
    said = []
    for row in data.loops:
        if row["test_accuracy"] is None or data.baseline is None:
            continue
        accuracy = {"value": row["test_accuracy"], "ci_low": row["test_ci_low"]}
        found = suspicions(accuracy, data.baseline, row["n_human"])
        said += [f"Suspicious, {name_of_loop(row['loop'])}: {words}." for words in found]
    return said


def selection_words(method: Row) -> str:
    """By which rule the loops of an evolution keep pairs, to stand behind "keeps"."""
    match method["select"]:
        case "status":
            return "the pairs that meet the rule of its learning status"
        case "calibrated":
            return f"the labels above a cut of confidence that {_promise(method)}"
        case _:
            return "every pair"


def rule_words(status: Row, method: Row) -> str:
    """What a loop kept, and why, or why it kept nothing and was the last."""
    if status["ends"] and not status["n_pool"]:
        return f"Converged: the pool is empty. {_LAST}"
    match method["select"]:
        case "status":
            return _status_words(status)
        case "calibrated":
            return f"{_cut_words(status, method)} {_beside(status)}"
        case _:
            return f"Every pair is kept, whatever its confidence. {_beside(status)}"


def promise_words(data: ReportData) -> str:
    """What a promised precision is worth where the pool is unlike the pairs that it was measured on; else empty."""
    if not data.unlike_pool or data.method["select"] != "calibrated":
        return ""
    return "That promise holds for pairs like the calibration pairs, which the pool's are not."


_LAST = "The loops end here."


def _cut_words(status: Row, method: Row) -> str:
    promise = _promise(method, status["promised"])
    if status["ends"]:
        return (
            f"Converged: no cut of confidence leaves at least {status['n_min']} pairs and {promise}, so that "
            f"nothing was kept. {_nearest(status)}{_LAST}"
        )
    return f"Kept were the labels above a cut of confidence ({status['cut']:.4f}) that {promise}: {_expected(status)}."


def _nearest(status: Row) -> str:
    """What was expected of the labels that come nearest to the promise, if there were enough to try any."""
    return "" if status["expected_low"] is None else f"Of the labels that come nearest to it {_expected(status)}. "


def _expected(status: Row) -> str:
    share, least = percent(status["expected_precision"]), percent(status["expected_low"])
    return f"about {share} were expected to be right, at least {least} (one-sided 95 %)"


def _promise(method: Row, promised: float | None = None) -> str:
    """The promise of a cut, with its figure once there is one; `relative` is the seed's accuracy."""
    of_the_seed = method["min_precision"] == "relative"
    said = ["the seed's accuracy on calibration pairs"] if of_the_seed else []
    figure = promised if of_the_seed else method["min_precision"]
    said = said if figure is None else [percent(figure), *said]
    return f"keeps the promised precision ({', '.join(said)})"


def _beside(status: Row) -> str:
    """The learning status where it decides nothing."""
    return f"The learning status, {status['status']}, decides nothing under this recipe."


def _status_words(status: Row) -> str:
    tau, least = status["thresholds"], status["n_min"]
    clear = (
        f"{status['n_status_1']} pairs have one response with p > {tau['tau_high']} "
        f"and the other with p < {tau['tau_low']}"
    )
    apart = f"{status['n_status_2']} pairs have |p_a − p_b| > {tau['tau_delta']}"
    match status["status"]:
        case "1":
            return f"Status 1, good against bad: {clear}; at least {least} were needed."
        case "2":
            return f"Status 2, finer ranking: only {clear}, but {apart}; at least {least} were needed."
        case _:
            return f"Converged: only {clear}, and only {apart}; {least} were needed. {_LAST}"
