"""The watch over loops as a page shows it: a column a loop, and what is seen."""

from resources.reporting.numbers import DASH, number, percent
from resources.reporting.report_data import ReportData, Row
from resources.reporting.words import name_of_loop
from ser.method.watch import SIGNS, signs_of

MEASURES = (
    *("ECE, calibration", "ECE, test", "labels turned", "labels as the seed RM", "held out as the seed RM"),
    *("longer, kept", "longer, all", "spread of margins", "mean reward", "mean of the pool"),
    *("own labels right", "others right", "vocabulary", "distinct-2"),
)


def watch_section(data: ReportData) -> Row:
    """What the page shows of the watch: a table with a column a loop, and what is seen."""
    seed_longer = data.watch.loops[0]["seed_longer"] if data.watch.loops else None
    return {
        "headings": ["measure", *(name_of_loop(row["loop"]) for row in data.watch.loops)],
        "rows": [list(row) for row in zip(MEASURES, *watch_columns(data), strict=True)] if data.watch.loops else [],
        "signs": watch_signs(data),
        "unmeasured": [sign.name for sign in SIGNS if not sign.measured_in(data.watch.loops)],
        "seed_longer": seed_longer,
    }


def watch_columns(data: ReportData) -> list[list[str]]:
    """What was measured in each loop (see `MEASURES`)."""
    return [
        [
            number(row["ece_calibration"], 3),
            number(row["ece_test"], 3),
            percent(row["flip_rate"]),
            percent(row["seed_agreement"]),
            percent(row["heldout_agreement"]),
            percent(row["kept_longer"]),
            percent(row["labelled_longer"]),
            number(row["margin_spread"], 2),
            number(row["reward_shift"], 2),
            number(row["offset_shift"], 2),
            _against_confidence(row, "trained"),
            _against_confidence(row, "untrained"),
            _base_to_policy(row, "vocabulary", 0),
            _base_to_policy(row, "distinct_2", 2),
        ]
        for row in data.watch.loops
    ]


def watch_signs(data: ReportData) -> list[Row]:
    """What is seen: `words`, and what to `look_at` then."""
    seen = signs_of(data.watch.loops)
    return [{"words": words, "look_at": sign.look_at} for sign in SIGNS for words in seen[sign.name]]


def _against_confidence(row: Row, which: str) -> str:
    """How many labels are right, and in brackets how many confidence says."""
    share = row[f"{which}_precision"]
    return DASH if share is None else f"{percent(share)} ({percent(row[f'{which}_confidence'])})"


def _base_to_policy(row: Row, name: str, digits: int) -> str:
    base, policy = row[f"base_{name}"], row[f"policy_{name}"]
    return DASH if base is None or policy is None else f"{number(base, digits)} → {number(policy, digits)}"
