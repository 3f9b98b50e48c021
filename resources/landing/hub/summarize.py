"""HuggingFaceH4/summarize-from-feedback: two summaries of a Reddit post or of an article, and a worker's choice."""

from typing import Any

COLUMNS = frozenset({"meta", "responses", "label", "worker", "batch", "split"})

_PARTS = (
    ("subreddit", "SUBREDDIT: r/{}"),
    ("title", "TITLE: {}"),
    ("post", "POST: {}"),
    ("article", "ARTICLE: {}"),
)


def pairs(row: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The one pair of a row; a post with all its summaries is one group."""
    meta, responses, label = row["meta"], row["responses"], row["label"]
    if label not in (0, 1) or len(responses) != 2:
        return "no choice between two summaries"
    if not (meta.get("post") or meta.get("article")):
        return "no text to summarize"
    return [
        {
            "prompt": [{"role": "user", "content": _prompt(meta)}],
            "chosen": responses[label].get("text"),
            "rejected": responses[1 - label].get("text"),
            "annotator": row["worker"],
            "group": meta.get("id"),
            "batch": row["batch"],
            "split": row["split"],
        }
    ]


def _prompt(meta: dict[str, Any]) -> str:
    """The query of the summarization papers, of the parts that there are."""
    parts = [form.format(meta[name].strip()) for name, form in _PARTS if meta.get(name)]
    return "\n\n".join([*parts, "TL;DR:"])
