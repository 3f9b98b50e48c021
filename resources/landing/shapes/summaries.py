"""Summaries of a Reddit post or of an article, and a worker's choice between two (OpenAI, Hugging Face's copy)."""

from collections.abc import Iterable
from typing import Any

from resources.landing.shapes.shape import Fields

_PARTS = (
    ("subreddit", "SUBREDDIT: r/{}"),
    ("title", "TITLE: {}"),
    ("post", "POST: {}"),
    ("article", "ARTICLE: {}"),
)


def summaries(row: Fields) -> Iterable[Fields]:
    """The one pair of a row; a post with all its summaries is one group."""
    about, texts, choice = (row.get(old, row.get(new)) for old, new in _NAMES)
    if choice not in (0, 1, None) or not isinstance(texts, list) or len(texts) != 2:
        raise ValueError("no choice between two summaries: nothing to compare")
    if not isinstance(about, dict) or not (about.get("post") or about.get("article")):
        raise ValueError("no text to summarize")
    return [
        {
            "prompt": [{"role": "user", "content": _prompt(about)}],
            "response_a": texts[0].get("text"),
            "response_b": texts[1].get("text"),
            "preferred": None if choice is None else "ab"[choice],
            "group": about.get("id"),
        }
    ]


_NAMES = (("info", "meta"), ("summaries", "responses"), ("choice", "label"))


def _prompt(about: dict[str, Any]) -> str:
    """The query of the summarization papers, of the parts that there are."""
    parts = [form.format(about[name].strip()) for name, form in _PARTS if about.get(name)]
    return "\n\n".join([*parts, "TL;DR:"])
