"""HuggingFaceH4/stack-exchange-preferences: a question and its answers, scored by votes."""

from itertools import combinations
from typing import Any

from resources.landing.hub.html_text import html_text
from ser.pairs import keyed_hash

COLUMNS = frozenset({"qid", "question", "answers", "date", "metadata"})

PAIRS_PER_QUESTION = 4
"""More would let a few questions with many answers be most of the data set."""

ANNOTATOR = "votes"


def pairs(row: dict[str, Any]) -> list[dict[str, Any]] | str:
    """At most PAIRS_PER_QUESTION pairs of answers with different scores, drawn by a hash of their ids."""
    url = row["metadata"][0] if row["metadata"] else f"qid/{row['qid']}"  # a qid is unique on its own site only
    scored = sorted((a for a in row["answers"] if a.get("pm_score") is not None), key=lambda a: a["answer_id"])
    unequal = [two for two in combinations(scored, 2) if two[0]["pm_score"] != two[1]["pm_score"]]
    if not unequal:
        return "no two answers with different scores"
    unequal.sort(key=lambda two: keyed_hash("answers", url, *(str(answer["answer_id"]) for answer in two)))
    question = [{"role": "user", "content": html_text(row["question"] or "")}]
    return [_pair(url, question, *two) for two in unequal[:PAIRS_PER_QUESTION]]


def _pair(url: str, question: list[dict[str, str]], one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    better, worse = (one, other) if one["pm_score"] > other["pm_score"] else (other, one)
    return {
        "prompt": question,
        "chosen": html_text(better.get("text") or ""),
        "rejected": html_text(worse.get("text") or ""),
        "annotator": ANNOTATOR,
        "group": url,
        "id": f"{url}#{better['answer_id']}-{worse['answer_id']}",
        "score_chosen": better["pm_score"],
        "score_rejected": worse["pm_score"],
        # The licence, CC BY-SA 4.0, asks that the authors stay named.
        "authors": [better.get("author_profile"), worse.get("author_profile")],
    }
