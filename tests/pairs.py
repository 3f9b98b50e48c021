"""Preference pairs for tests: a rule that a tiny model can learn, and rows in the landing format."""

import json
import random
from pathlib import Path
from typing import Any

ASKS = ["cook rice", "book a train", "email my manager", "restart the phone", "save money", "sleep well"]
GOOD = [
    "sure, first boil water then add salt",
    "please book the morning ticket",
    "thank you, here is a clean step list",
]
BAD = ["whatever", "stupid idea", "cannot know maybe", "wrong right because"]


def labelled_rows(n: int, seed: int = 0, noise: float = 0.0) -> list[dict[str, Any]]:
    """`n` labelled rows in which the polite answer is preferred, each with a prompt of its own."""
    draw = random.Random(seed)
    rows = []
    for number in range(n):
        prompt = f"how can I {draw.choice(ASKS)} number {seed} {number}"
        good = f"{draw.choice(GOOD)} {draw.randint(0, 99)}"
        bad = f"{draw.choice(BAD)} {draw.randint(0, 99)}"
        chosen, rejected = (bad, good) if draw.random() < noise else (good, bad)
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    return rows


def unlabelled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same pairs without their labels."""
    return [{"prompt": row["prompt"], "response_a": row["chosen"], "response_b": row["rejected"]} for row in rows]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
