"""What the numbers of an evolution allow to say, in honest sentences."""

from resources.reporting.numbers import difference, magnitude, number, percent
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


def verdict(data: ReportData) -> list[str]:
    """What the evolution shows about its loops, and where it was measured on other pairs than the pool's."""
    return [*_verdict(data), *([data.unlike_pool] if data.unlike_pool else [])]


def _verdict(data: ReportData) -> list[str]:
    promoted, about = data.promoted, data.evolution
    if promoted is None:
        return ["No reward model was promoted: the evolution did not come that far."]
    if data.gate_is_closed:
        return [
            f"{promoted['why'][0].upper()}{promoted['why'][1:]}.",
            f"This model stays.{_export(data)} To run the loops all the same: ser run --anyway "
            f"--dataset {about['dataset']}, with the settings of this evolution.",
        ]
    reason = f" Decided on: {promoted['why'].rstrip('.')}." if promoted["why"] else ""
    if about["promoted_by"]:
        model = "seed reward model" if promoted["loop"] == 0 else f"reward model of loop {promoted['loop']}"
        said = [f"The {model} was promoted by a person, {about['promoted_by']}.{reason}"]
    elif promoted["loop"] == 0:
        told = f"the last loop is {VERDICTS[about['verdict']]}" if data.trained_loops else "no loop trained another"
        said = [f"The seed reward model stays: {told}.{reason}"]
    else:
        said = [f"The reward model of loop {promoted['loop']} was promoted.{reason}"]
    said += [*_power(data), *_on_test_pairs(data)]
    if promoted["loop"] == 0 and (loops := data.trained_loops):
        several = f"loops 1 to {loops[-1]}" if len(loops) > 1 else "loop 1"
        said.append(
            f"What can be made of {several} all the same: a policy (the asset loop_{loops[-1]}/ppo_policy, in the UI)."
            f"{_export(data, loops[-1])}"
        )
    return said


def _export(data: ReportData, loop: int | None = None) -> str:
    """The command that exports a reward model, by default the promoted one; of a mean of several, one of them."""
    which = "" if loop is None else f" --loop {loop}"
    model = "it" if loop is None else f"the reward model of loop {loop}"
    if data.method["teachers"] > 1:
        which, model = f"{which} --member 0", f"one of the models whose mean is {model}"
    return f" To export {model}: ser export rm{which} --evolution {data.evolution['evolution']} --to DIR."


def _power(data: ReportData) -> list[str]:
    """How small a gain the calibration pairs could have shown."""
    about = data.evolution
    if about["detectable"] is None:
        return []
    gained, smallest = (
        difference(*data.calibration_gain, data.statistic),
        magnitude(about["detectable"], data.statistic),
    )
    return [
        f"The gain of the last loop over the seed on calibration pairs, with its 90 % interval, is {gained}. The "
        f"smallest that these pairs could have shown (with 80 % power) is {smallest}; to show 2 points of accuracy, "
        f"about {number(about['needed'])} calibration pairs are needed."
    ]


def _on_test_pairs(data: ReportData) -> list[str]:
    value, low, high = data.test_gain
    if value is None or low is None or high is None or data.promoted is None:
        return []
    loop = data.promoted["loop"] or data.trained_loops[-1]
    change = f"On the test pairs loop {loop} gains {difference(value, low, high)} points over the seed (95 % interval)"
    if low <= 0 <= high:
        return [f"{change}. The interval includes 0: the test pairs do not show that it is better, nor that it is not."]
    return [f"{change}. It is {'better' if value > 0 else 'worse'} than the seed by more than chance."]


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


def policy_words(data: ReportData) -> list[str]:
    """What the judge says of the policy, with how far the judge can be trusted."""
    metrics = data.policy["metrics"] if data.policy else {}
    rate, judge, longer = (metrics.get(name) for name in ("win_rate", "judge_accuracy", "judge_longer_wins"))
    if rate is None or rate["value"] is None:
        return []
    trust = f"; the judge itself is right on {percent(judge['value'])} of pairs" if judge else ""
    trust += f" (where the longer wins on {percent(longer['value'])})" if longer else ""
    said = [
        f"Win rate of the policy against its base model, a tie as half a win: {percent(rate['value'])} "
        f"({percent(rate['ci_low'])} to {percent(rate['ci_high'])}, {rate['n']} prompts){trust}."
    ]
    before, after = metrics.get("mean_base_reward"), metrics.get("mean_policy_reward")
    if before and after:
        said.insert(
            0,
            "Mean reward, base to policy, by the model it was trained with: "
            f"{before['value']:.3f} to {after['value']:.3f}.",
        )
    if rate["ci_low"] <= 0.5 <= rate["ci_high"]:
        said.append("The win rate's interval includes 50 %: no difference is shown.")
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
