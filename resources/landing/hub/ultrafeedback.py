"""HuggingFaceH4/ultrafeedback_binarized: two conversations with the scores that GPT-4 gave them."""

from typing import Any

COLUMNS = frozenset({"prompt", "prompt_id", "chosen", "rejected", "messages", "score_chosen", "score_rejected"})

ANNOTATOR = "gpt-4"


def pairs(row: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The one pair of a row, unless its scores are equal: then nothing is preferred."""
    if row["score_chosen"] == row["score_rejected"]:
        return "equal scores"
    if not row["chosen"] or not row["rejected"]:
        return "no messages"
    *prompt, chosen = row["chosen"]
    *other_prompt, rejected = row["rejected"]
    if prompt != other_prompt:
        return "the prompts of chosen and rejected differ"
    return [
        {
            "prompt": prompt,
            "chosen": chosen["content"],
            "rejected": rejected["content"],
            "annotator": ANNOTATOR,
            "group": row["prompt_id"],
            "id": row["prompt_id"],
            "score_chosen": row["score_chosen"],
            "score_rejected": row["score_rejected"],
        }
    ]
