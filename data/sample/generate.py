"""Write the simulated preference pairs of `data/sample`: deterministic from a seed, standard library only.

    python data/sample/generate.py [--pairs N] [--seed S] [--out DIR] [--wide]

Every response is composed from a scenario's own steps and from wordings in `content/`; it has a substance
(what it says), a tone and a close. The annotator prefers the response of higher utility and errs at random
(see README.md).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEED = 2411
PAIRS = 1600
NOISE = 0.10  # share of the annotator's labels that are flipped, at random
MIN_GAP = 2.25  # pairs whose utilities are closer than this are never written
WORDS = range(8, 26)  # allowed length of a response

# The annotator's rule: what each quality adds to the utility of a response.
WEIGHTS = {
    "on_topic": 2.0, "specific": 1.0, "sound": 1.5, "complete": 1.0,
    "polite": 0.75, "rude": -3.0, "caring": 0.5, "padded": -1.0, "boastful": -1.25, "selling": -2.0,
}  # fmt: skip
# What a response of each substance has of the first four qualities, and how often it is drawn.
SUBSTANCES: dict[str, tuple[str, ...]] = {
    "full": ("on_topic", "specific", "sound", "complete"),
    "partial": ("on_topic", "specific", "sound"),
    "vague": ("on_topic", "sound"),
    "careless": ("on_topic", "specific"),
    "off_topic": ("specific", "sound"),
}
SUBSTANCE_ODDS = {"full": 42, "partial": 16, "vague": 20, "careless": 15, "off_topic": 7}
TONE_ODDS = {"plain": 34, "polite": 28, "rude": 38}
CLOSE_ODDS = {"none": 42, "caring": 14, "padded": 22, "boastful": 12, "selling": 16}
QUESTION_WORDS = ("could", "may", "shall", "would", "do", "is", "how", "what", "will", "can")


@dataclass(frozen=True)
class Scenario:
    """One request of a kind (`source`), with the content of its good and its careless answer."""

    group: str
    source: str
    form: str
    goal: str
    first: str
    second: str
    careless: str


@dataclass(frozen=True)
class Response:
    """A composed text, its core without tone and close, and the three choices that decide its utility."""

    text: str
    core: str
    substance: str
    tone: str
    close: str

    @property
    def utility(self) -> float:
        """Weighted sum of the qualities this response has."""
        qualities = (*SUBSTANCES[self.substance], self.tone, self.close)
        return sum(WEIGHTS.get(quality, 0.0) for quality in qualities)


@dataclass(frozen=True)
class Pair:
    """Two responses to one request, with the annotator's and the noise-free preference."""

    scenario: Scenario
    prompt: str
    a: Response
    b: Response
    preferred: str
    gold: str


class Sample:
    """The content tables and what can be composed from them."""

    def __init__(self, wide: bool = False) -> None:
        content = HERE / "content"
        self.phrases: dict[str, Any] = tomllib.loads((content / "phrases.toml").read_text(encoding="utf-8"))
        self.scenarios = [*read_scenarios(content), *(read_scenarios(HERE / "more", "-more") if wide else ())]

    def pairs(self, count: int, seed: int) -> Iterator[Pair]:
        """Yield distinct pairs, one per scenario and round; a longer run begins with a shorter one."""
        seen: set[tuple[str, frozenset[str]]] = set()
        for number in range(count):
            scenario = self.scenarios[number % len(self.scenarios)]
            rng = random.Random(f"{seed}/{scenario.group}/{number // len(self.scenarios)}")
            while True:
                pair = self.pair(scenario, rng)
                key = (pair.prompt, frozenset((pair.a.text, pair.b.text)))
                if key not in seen:
                    break
            seen.add(key)
            yield pair

    def pair(self, scenario: Scenario, rng: random.Random) -> Pair:
        """Compose a request and two responses that the annotator can tell apart, then label them."""
        prompt = rng.choice(self.phrases["forms"][scenario.form]["requests"]).format(goal=scenario.goal)
        while True:
            a, b = self.response(scenario, rng), self.response(scenario, rng)
            if a.core != b.core and abs(a.utility - b.utility) >= MIN_GAP:
                break
        gold = "a" if a.utility > b.utility else "b"
        flipped = rng.random() < NOISE
        return Pair(scenario, prompt, a, b, {"a": "b", "b": "a"}[gold] if flipped else gold, gold)

    def response(self, scenario: Scenario, rng: random.Random) -> Response:
        """Compose one response of drawn substance, tone and close within the allowed length."""
        while True:
            substance, tone, close = draw(SUBSTANCE_ODDS, rng), draw(TONE_ODDS, rng), draw(CLOSE_ODDS, rng)
            core = self.core(scenario, substance, rng)
            parts = [core]
            if tone != "plain":
                last = tone == "rude" and rng.random() < 0.5
                parts.insert(len(parts) if last else 0, rng.choice(self.phrases["tone"][tone]))
            if close != "none":
                first = close in ("padded", "boastful") and rng.random() < 0.3
                parts.insert(0 if first else len(parts), rng.choice(self.phrases["close"][close]))
            text = " ".join(parts)
            if len(text.split()) in WORDS:
                return Response(text, core, substance, tone, close)

    def core(self, scenario: Scenario, substance: str, rng: random.Random) -> str:
        """What a response of this substance says about the request."""
        if substance == "off_topic":
            scenario = rng.choice([other for other in self.scenarios if other.source != scenario.source])
            substance = "full"
        templates = self.phrases["vague" if substance == "vague" else "forms"][scenario.form]
        template = rng.choice(templates if substance == "vague" else templates[substance])
        return fill(template, scenario)


def read_scenarios(content: Path, mark: str = "") -> list[Scenario]:
    """Read the scenarios of all kinds; `mark` stands in the names of their groups."""
    kinds = sorted(content.glob("*/*.csv"), key=lambda path: path.stem)
    return [scenario for path in kinds for scenario in read_kind(path, mark)]


def read_kind(path: Path, mark: str) -> list[Scenario]:
    """Read the scenarios of one kind: the file's name is the kind, its folder the form of the request."""
    kind, form = path.stem, path.parent.name
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    return [Scenario(f"{kind}{mark}-{number:03d}", kind, form, **row) for number, row in enumerate(table, 1)]


def fill(template: str, scenario: Scenario) -> str:
    """Put a scenario's steps into a wording."""
    steps = {"a": scenario.first, "b": scenario.second, "c": scenario.careless}
    capitals = {name.upper(): text[0].upper() + text[1:] for name, text in steps.items()}
    end = "?" if scenario.second.split()[0] in QUESTION_WORDS else "."
    goal = scenario.goal.replace(" my ", " your ")
    return template.format(goal=goal, B_=capitals["B"] + end, **steps, **capitals)


def draw(odds: dict[str, int], rng: random.Random) -> str:
    """Draw one key by its odds."""
    return rng.choices(list(odds), weights=list(odds.values()))[0]


def rows(pair: Pair) -> tuple[dict[str, str], dict[str, str]]:
    """The annotator's row of a pair and the judge's."""
    texts = {"prompt": pair.prompt, "response_a": pair.a.text, "response_b": pair.b.text}
    origin = {"group": pair.scenario.group, "source": pair.scenario.source, "annotator": "simulated"}
    judge = {"preferred": pair.gold, "annotator": "judge"}
    return texts | {"preferred": pair.preferred} | origin, texts | judge


def write(out: Path, count: int = PAIRS, seed: int = SEED, wide: bool = False) -> None:
    """Write `pairs.jsonl` and `judge_labels.jsonl` into the folder `out`; `wide`: of all scenarios that there are."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        (out / "pairs.jsonl").open("w", encoding="utf-8", newline="\n") as pairs,
        (out / "judge_labels.jsonl").open("w", encoding="utf-8", newline="\n") as judge,
    ):
        for pair in Sample(wide).pairs(count, seed):
            for file, row in zip((pairs, judge), rows(pair), strict=True):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write simulated preference pairs and their judge labels.")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"how many pairs (default {PAIRS})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"random seed (default {SEED})")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: this one)")
    parser.add_argument("--wide", action="store_true", help="of the scenarios in more/ too: twice as many requests")
    arguments = parser.parse_args()
    write(arguments.out, arguments.pairs, arguments.seed, arguments.wide)


if __name__ == "__main__":
    main()
