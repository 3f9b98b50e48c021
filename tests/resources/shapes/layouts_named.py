"""Rows of the published layouts that name the better response, and what they are read as."""

import json
from collections.abc import Mapping
from typing import Any

from tests.resources.shapes.reading import Pair
from tests.resources.shapes.soups import AB, BAD, EARLIER, GOOD, SOUP, TEXTS, TIE, TURNS, USER


def sharegpt(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


def completion(text: str, fine: float | None, overall: float) -> dict[str, Any]:
    return {
        "annotations": {}, "custom_system_prompt": "", "critique": "", "model": "m", "principle": "p",
        "response": text, "overall_score": overall, "fine-grained_score": fine,
    }  # fmt: skip


NAMED: dict[str, tuple[Mapping[str, Any], list[Pair]]] = {
    "canonical": ({"prompt": "Best soup?", **TEXTS}, [SOUP]),
    "canonical letters": (AB | {"preferred": "a"}, [SOUP]),
    "canonical letters, no label": (AB, [TIE]),
    "TRL conversational": ({"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}, [SOUP]),
    "TRL conversational, implicit": ({"chosen": [USER, GOOD], "rejected": [USER, BAD]}, [SOUP]),
    "TRL standard, implicit": (
        {"chosen": "The sky is blue.", "rejected": "The sky is black."},
        [Pair("The sky is", "blue.", "black.")],
    ),
    "a message for each response": ({"prompt": [USER], "chosen": GOOD, "rejected": BAD}, [SOUP]),
    "conversations as JSON in a table": (
        {"prompt": json.dumps([USER]), "chosen": json.dumps([GOOD]), "rejected": json.dumps([BAD])},
        [SOUP],
    ),
    "Tülu": (
        {
            "id": "x",
            "source": "s",
            "prompt": "Best soup?",
            "chosen": [*EARLIER, USER, GOOD],
            "rejected": [*EARLIER, USER, BAD],
        },
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "orpo-dpo-mix": (
        {
            "source": "s",
            "prompt": "Best soup?",
            "question": "Best soup?",
            "chosen": [USER, GOOD],
            "rejected": [USER, BAD],
        },
        [SOUP],
    ),
    "hh-rlhf": (
        {
            "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Best soup?\n\nAssistant: Lentil.",
            "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Best soup?\n\nAssistant: No idea.",
        },
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "transcripts of lines": (
        {"chosen": "Human: Best soup?\nAssistant: Lentil.", "rejected": "Human: Best soup?\nAssistant: No idea."},
        [SOUP],
    ),
    "OpenRLHF": (
        {
            "prompt": "\n\nHuman: Best soup?\n\nAssistant:",
            "chosen": "\n\nHuman: Best soup?\n\nAssistant: Lentil.",
            "rejected": "\n\nHuman: Best soup?\n\nAssistant: No idea.",
        },
        [SOUP],
    ),
    "OpenAI": (
        {
            "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [GOOD],
            "non_preferred_output": [BAD],
        },
        [SOUP],
    ),
    "ShareGPT": (
        {
            "conversations": [sharegpt("human", "Hi"), sharegpt("gpt", "Hello"), sharegpt("human", "Best soup?")],
            "chosen": sharegpt("gpt", "Lentil."),
            "rejected": sharegpt("gpt", "No idea."),
        },
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "alpaca": ({"instruction": "Best soup?", "input": "", **TEXTS}, [SOUP]),
    "alpaca with input, system and history": (
        {"instruction": "Best", "input": "soup?", "system": "Brief.", "history": [["Hi", "Hello"]], **TEXTS},
        [
            Pair(
                [("system", "Brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Best\n\nsoup?")],
                "Lentil.",
                "No idea.",
            )
        ],
    ),
    "Math-Step-DPO": (
        {
            "dataset": "gsm8k",
            "prompt": "How many soups?",
            "initial_reason_steps": "Step 1: Count them.\nStep 2:",
            **TEXTS,
            "full_chosen": "x",
            "full_rejected": "y",
            "answer": "2",
        },
        [Pair("How many soups?\n\nStep 1: Count them.\nStep 2:", "Lentil.", "No idea.")],
    ),
    "ms-swift messages": ({"messages": [USER, GOOD], "rejected_response": "No idea."}, [SOUP]),
    "ms-swift rejected messages": ({"messages": [USER, GOOD], "rejected_messages": [USER, BAD]}, [SOUP]),
    "ms-swift query": (
        {
            "system": "Brief.",
            "query": "Best soup?",
            "response": "Lentil.",
            "rejected_response": "No idea.",
            "history": [["Hi", "Hello"]],
        },
        [Pair([("system", "Brief."), *TURNS], "Lentil.", "No idea.")],
    ),
    "ms-swift query alone": ({"query": "Best soup?", "response": "Lentil.", "rejected_response": "No idea."}, [SOUP]),
    "axolotl chat_template": ({"messages": [USER], "chosen": GOOD, "rejected": BAD}, [SOUP]),
    "axolotl argilla": (
        {"system": None, "instruction": "Best soup?", "chosen_response": "Lentil.", "rejected_response": "No idea."},
        [SOUP],
    ),
    "axolotl icr": ({"system": "", "input": "Best soup?", **TEXTS}, [SOUP]),
    "accepted": ({"input": "Best soup?", "accepted": "Lentil.", "rejected": "No idea.", "ID": "x"}, [SOUP]),
    "stack-exchange-paired": (
        {
            "qid": 1,
            "question": "Best soup?",
            "date": "d",
            "metadata": [],
            "response_j": "Lentil.",
            "response_k": "No idea.",
        },
        [SOUP],
    ),
    "alpaca outputs": ({"instruction": "Best soup?", "input": "", "output": ["Lentil.", "No idea."]}, [SOUP]),
    "Intel Orca": (
        {"system": "Brief.", "question": "Best soup?", **TEXTS},
        [Pair([("system", "Brief."), ("user", "Best soup?")], "Lentil.", "No idea.")],
    ),
    "distilabel Orca, a tie": (
        {
            "system": "",
            "input": "Best soup?",
            **TEXTS,
            "generations": ["No idea.", "Lentil."],
            "order": ["a", "b"],
            "labelling_model": "gpt-4",
            "rating": [9.0, 9.0],
            "rationale": "r",
            "status": "tie",
            "original_chosen": "x",
            "original_rejected": "y",
            "chosen_score": 9.0,
            "in_gsm8k_train": False,
        },
        [TIE],
    ),
    "UltraFeedback, binarized": (
        {
            "prompt": "Best soup?",
            "prompt_id": "p1",
            "chosen": [USER, GOOD],
            "rejected": [USER, BAD],
            "messages": [USER, GOOD],
            "score_chosen": 8.0,
            "score_rejected": 3.0,
        },
        [SOUP],
    ),
    "argilla's cleaned UltraFeedback, a tie": (
        {
            "source": "s",
            "prompt": "Best soup?",
            "chosen": [USER, GOOD],
            "chosen-rating": 4.5,
            "chosen-model": "m",
            "rejected": [USER, BAD],
            "rejected-rating": 4.5,
            "rejected-model": "n",
        },
        [TIE],
    ),
    "UltraFeedback": (
        {
            "source": "evol_instruct",
            "instruction": "Best soup?",
            "models": ["m"],
            "correct_answers": [],
            "completions": [completion("No idea.", 1.5, 9.0), completion("Lentil.", 4.75, 8.0)],
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="gpt-4")],
    ),
    "what ser exports": (
        {
            "prompt": [USER],
            "chosen": [GOOD],
            "rejected": [BAD],
            "pair_id": "f",
            "loop": 1,
            "rm_version": "rm-1",
            "confidence": 0.9,
            "rule": "1",
            "source": None,
            "snapshot": "s",
        },
        [TIE],
    ),
}
