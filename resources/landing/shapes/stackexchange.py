"""HuggingFaceH4/stack-exchange-preferences: a question and its answers as HTML, scored by votes."""

from collections.abc import Iterable
from typing import Any

from resources.landing.shapes.html_text import html_text
from resources.landing.shapes.rankings import ranked_pairs
from resources.landing.shapes.shape import Fields

ANNOTATOR = "votes"


def stackexchange(row: Fields) -> Iterable[Fields]:
    """Pairs of answers of one question with different votes."""
    links = row.get("metadata")
    url = links[0] if isinstance(links, list) and links else f"qid/{row['qid']}"  # a qid is unique on its own site only
    answers = {answer.get("text") or "": answer for answer in row["answers"]}
    pairs = ranked_pairs(row["question"], [(text, answer.get("pm_score")) for text, answer in answers.items()])
    return [_pair(url, row["question"], pair, answers) for pair in pairs]


def _pair(url: str, question: str, pair: Fields, answers: dict[str, Any]) -> Fields:
    texts = {name: text for name, text in pair.items() if name in ("chosen", "rejected", "response_a", "response_b")}
    said = [answers[text] for text in texts.values()]
    return {
        **pair,
        **{name: html_text(text) for name, text in texts.items()},
        "prompt": [{"role": "user", "content": html_text(question)}],
        "group": url,
        "id": f"{url}#{'-'.join(str(answer.get('answer_id')) for answer in said)}",
        # The licence, CC BY-SA 4.0, asks that the authors stay named.
        "authors": [answer.get("author_profile") for answer in said],
    }
