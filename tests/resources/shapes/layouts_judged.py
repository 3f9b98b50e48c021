"""Rows of the published layouts in which somebody compares two responses, and what they are read as."""

import json
from collections.abc import Mapping
from typing import Any

from tests.resources.shapes.reading import Pair
from tests.resources.shapes.soups import AB, BAD, EARLIER, GOOD, SOUP, TEXTS, TIE, TURNS, USER


def arena(winner: str, **more: Any) -> dict[str, Any]:
    return {
        "question_id": "q", "model_a": "x", "model_b": "y", "winner": winner, "judge": "arena_user_1",
        "conversation_a": [USER, GOOD], "conversation_b": [USER, BAD], "turn": 1, "anony": True, "language": "English",
        "tstamp": 1.5, **more,
    }  # fmt: skip


def parts(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text, "image": None, "mimeType": None}]}


def kaggle(a: str, b: str, *outcome: int) -> dict[str, Any]:
    names = ("winner_model_a", "winner_model_b", "winner_tie")
    return {
        "id": 1, "model_a": "x", "model_b": "y", "prompt": '["Best soup?"]', "response_a": json.dumps([a]),
        "response_b": json.dumps([b]), **dict(zip(names, outcome, strict=True)),
    }  # fmt: skip


def helpsteer3(strength: int) -> dict[str, Any]:
    return {
        "domain": "general", "language": "english", "context": [*EARLIER, USER], "response1": "Lentil.",
        "response2": "No idea.", "overall_preference": strength, "individual_preference": [{"score": strength}],
    }  # fmt: skip


def safe_rlhf(better: int) -> dict[str, Any]:
    return {
        "prompt": "Best soup?", "response_0": "No idea.", "response_1": "Lentil.", "prompt_source": "x",
        "is_response_0_safe": True, "is_response_1_safe": True, "better_response_id": better, "safer_response_id": 0,
        "response_0_sha256": "f", "response_1_sha256": "e",
    }  # fmt: skip


def shp(label: int) -> dict[str, Any]:
    return {
        "post_id": "abc", "domain": "cooking", "upvote_ratio": 0.9, "history": "Best soup?", "c_root_id_A": "1",
        "c_root_id_B": "2", "human_ref_A": "Lentil.", "human_ref_B": "No idea.", "labels": label, "score_A": 9,
        "score_B": 3, "seconds_difference": 5.0, "score_ratio": 3.0,
    }  # fmt: skip


def webgpt(first: float, second: float) -> dict[str, Any]:
    return {
        "question": {"dataset": "eli5", "id": "x", "full_text": "Best soup?"}, "quotes_0": {"title": [], "extract": []},
        "answer_0": "Lentil.", "tokens_0": {}, "score_0": first, "quotes_1": {}, "answer_1": "No idea.",
        "tokens_1": {}, "score_1": second,
    }  # fmt: skip


def summary(choice: int) -> dict[str, Any]:
    return {
        "info": {"id": "t3", "post": "Soup.", "title": "Lunch", "subreddit": "food", "site": None, "article": None},
        "summaries": [{"text": "No idea.", "policy": "p", "note": ""}, {"text": "Lentil.", "policy": "q", "note": ""}],
        "choice": choice, "worker": "w1", "batch": "b", "split": "train", "extra": {},
    }  # fmt: skip


def pairwise(side: str, user: Any, to: str = "answer1,answer2") -> dict[str, Any]:
    result = {"id": "r", "type": "pairwise", "from_name": "comparison", "to_name": to, "value": {"selected": side}}
    return {"id": 1, "completed_by": user, "result": [result], "was_cancelled": False, "created_at": "now"}


def task(*annotations: Any, **data: str) -> dict[str, Any]:
    data = data or {"prompt": "Best soup?", "answer1": "No idea.", "answer2": "Lentil."}
    return {"id": 7, "data": data, "annotations": list(annotations), "predictions": [], "meta": {}, "project": 1}


ARGILLA = {"prompt": "Best soup?", "response1": "No idea.", "response2": "Lentil."}

JUDGED: dict[str, tuple[Mapping[str, Any], list[Pair]]] = {
    "HelpSteer2 preferences": (
        {
            "split": "train",
            "prompt": "Best soup?",
            "response_1": "No idea.",
            "response_2": "Lentil.",
            "preference_strength": 2,
            "preference_statement": "s",
            "preference_elaboration": "e",
            "three_most_similar_preferences": [],
            "all_preferences_unprocessed": [],
        },
        [SOUP],
    ),
    "HelpSteer3": (helpsteer3(-2), [Pair(TURNS, "Lentil.", "No idea.")]),
    "HelpSteer3, the second": (helpsteer3(1), [Pair(TURNS, "No idea.", "Lentil.")]),
    "HelpSteer3, a tie": (helpsteer3(0), [Pair(TURNS, "Lentil.", "No idea.", labelled=False)]),
    "SHP": (shp(1), [SOUP]),
    "SHP, the second": (shp(0), [Pair("Best soup?", "No idea.", "Lentil.")]),
    "PKU-SafeRLHF": (safe_rlhf(1), [SOUP]),
    "Nectar": (
        {
            "prompt": "\n\nHuman: Best soup?\n\nAssistant: ",
            "num_responses": 2,
            "turns": 1,
            "source": ["lmsys"],
            "answers": [
                {"answer": "No idea.", "model": "x", "rank": 2.0},
                {"answer": "Lentil.", "model": "y", "rank": 1.0},
            ],
            "good_natured": True,
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="gpt-4")],
    ),
    "Chatbot Arena": (arena("model_a"), [Pair("Best soup?", "Lentil.", "No idea.", annotator="arena_user_1")]),
    "Chatbot Arena, both bad": (
        arena("tie (bothbad)"),
        [Pair("Best soup?", "Lentil.", "No idea.", False, "arena_user_1")],
    ),
    "Chatbot Arena, 140k": (
        {
            "id": "x",
            "model_a": "m",
            "model_b": "n",
            "winner": "model_b",
            "evaluation_session_id": "s",
            "conversation_a": [parts("user", "Best soup?"), parts("assistant", "No idea.")],
            "language": "en",
            "conversation_b": [parts("user", "Best soup?"), parts("assistant", "Lentil.")],
            "is_code": False,
        },
        [SOUP],
    ),
    "MT-bench, judged after its first turn": (
        arena(
            "model_a", conversation_a=[USER, GOOD, USER, GOOD], conversation_b=[USER, BAD, USER, BAD], judge="author_2"
        ),
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="author_2")],
    ),
    "Chatbot Arena, 55k": (kaggle("Lentil.", "No idea.", 1, 0, 0), [SOUP]),
    "Chatbot Arena, 55k, a tie": (kaggle("Lentil.", "No idea.", 0, 0, 1), [TIE]),
    "RewardBench": (
        {"prompt": "Best soup?", **TEXTS, "chosen_model": "m", "rejected_model": "n", "subset": "alpacaeval", "id": 1},
        [SOUP],
    ),
    "RewardBench 2": (
        {
            "id": "1",
            "prompt": "Best soup?",
            "chosen": ["Lentil."],
            "rejected": ["No idea.", "What?"],
            "num_correct": 1,
            "num_incorrect": 2,
            "total_completions": 3,
            "models": ["m"],
            "subset": "Focus",
            "additional_metadata": None,
        },
        [SOUP, Pair("Best soup?", "Lentil.", "What?")],
    ),
    "RM-Bench": (
        {"id": 1, "prompt": "Best soup?", "chosen": ["Lentil.", "Lentil!"], "rejected": ["No idea."], "domain": "chat"},
        [SOUP, Pair("Best soup?", "Lentil!", "No idea.")],
    ),
    "alpaca_farm": (
        {"instruction": "Best", "input": "soup?", "output_1": "No idea.", "output_2": "Lentil.", "preference": 2},
        [Pair("Best\n\nsoup?", "Lentil.", "No idea.")],
    ),
    "WebGPT": (webgpt(0.5, -0.5), [SOUP]),
    "WebGPT, a tie": (webgpt(0.0, 0.0), [TIE]),
    "summarize_from_feedback": (
        summary(1),
        [Pair("SUBREDDIT: r/food\n\nTITLE: Lunch\n\nPOST: Soup.\n\nTL;DR:", "Lentil.", "No idea.", annotator="w1")],
    ),
    "Label Studio": (
        task(pairwise("right", 3), pairwise("left", {"id": 4, "email": "ann@x"})),
        [
            Pair("Best soup?", "Lentil.", "No idea.", annotator="3"),
            Pair("Best soup?", "No idea.", "Lentil.", annotator="ann@x"),
        ],
    ),
    "Label Studio, our queue": (
        task(pairwise("left", 1, "response_a,response_b"), pair_id="f", **AB),
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="1")],
    ),
    "Label Studio, choices": (
        task(
            {
                "id": 1,
                "completed_by": 3,
                "result": [
                    {"type": "choices", "from_name": "better", "to_name": "prompt", "value": {"choices": ["answer2"]}},
                    {"type": "choices", "from_name": "topic", "to_name": "prompt", "value": {"choices": ["food"]}},
                ],
            }
        ),
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="3")],
    ),
    "Label Studio, nobody answered": (task(), [TIE]),
    "Label Studio, JSON_MIN": (
        {
            "id": 7,
            "prompt": "Best soup?",
            "answer1": "No idea.",
            "answer2": "Lentil.",
            "comparison": {"selected": "right"},
            "annotator": 3,
            "annotation_id": 9,
            "created_at": "now",
            "updated_at": "now",
            "lead_time": 1.5,
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="3")],
    ),
    "Argilla 2": (
        {
            "id": "1",
            "status": "completed",
            "_server_id": "s",
            "fields": ARGILLA,
            "metadata": {},
            "suggestions": {},
            "responses": {"preference": [{"value": "response2", "user_id": "u1"}]},
            "vectors": {},
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
    "Argilla 2, flattened": (
        {
            "id": "1",
            "status": "completed",
            "_server_id": "s",
            **ARGILLA,
            "preference.responses": ["response2", "response1"],
            "preference.responses.users": ["u1", "u2"],
            "preference.responses.status": ["submitted", "draft"],
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
    "Argilla 1": (
        {
            **ARGILLA,
            "preference": [
                {
                    "user_id": "u1",
                    "status": "submitted",
                    "value": [{"rank": 1, "value": "response2"}, {"rank": 2, "value": "response1"}],
                }
            ],
            "preference-suggestion": None,
            "preference-suggestion-metadata": {"type": None},
            "external_id": None,
            "metadata": "{}",
        },
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
}
