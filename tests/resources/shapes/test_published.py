"""Each published shape, with rows of its layout."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from resources.landing.shapes.catalogue import SHAPES
from resources.landing.shapes.rankings import PAIRS_PER_RANKING
from tests.resources.shapes.reading import Pair, pairs_of, reader_of

USER = {"role": "user", "content": "Best soup?"}
GOOD = {"role": "assistant", "content": "Lentil."}
BAD = {"role": "assistant", "content": "No idea."}
SOUP = Pair("Best soup?", "Lentil.", "No idea.")
TIE = Pair("Best soup?", "Lentil.", "No idea.", labelled=False)
TURNS = [("user", "Hi"), ("assistant", "Hello"), ("user", "Best soup?")]
EARLIER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
TEXTS = {"chosen": "Lentil.", "rejected": "No idea."}
AB = {"prompt": "Best soup?", "response_a": "Lentil.", "response_b": "No idea."}


def sharegpt(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


def completion(text: str, fine: float | None, overall: float) -> dict[str, Any]:
    return {
        "annotations": {}, "custom_system_prompt": "", "critique": "", "model": "m", "principle": "p",
        "response": text, "overall_score": overall, "fine-grained_score": fine,
    }  # fmt: skip


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

LAYOUTS: dict[str, tuple[Mapping[str, Any], list[Pair]]] = {
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
        {"id": "x", "source": "s", "prompt": "Best soup?", "chosen": [*EARLIER, USER, GOOD], "rejected": [*EARLIER, USER, BAD]},
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "orpo-dpo-mix": (
        {"source": "s", "prompt": "Best soup?", "question": "Best soup?", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        [SOUP],
    ),
    "hh-rlhf": (
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Best soup?\n\nAssistant: Lentil.",
         "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Best soup?\n\nAssistant: No idea."},
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "transcripts of lines": (
        {"chosen": "Human: Best soup?\nAssistant: Lentil.", "rejected": "Human: Best soup?\nAssistant: No idea."},
        [SOUP],
    ),
    "OpenRLHF": (
        {"prompt": "\n\nHuman: Best soup?\n\nAssistant:", "chosen": "\n\nHuman: Best soup?\n\nAssistant: Lentil.",
         "rejected": "\n\nHuman: Best soup?\n\nAssistant: No idea."},
        [SOUP],
    ),
    "OpenAI": (
        {"input": {"messages": [USER], "tools": [], "parallel_tool_calls": True}, "preferred_output": [GOOD],
         "non_preferred_output": [BAD]},
        [SOUP],
    ),
    "ShareGPT": (
        {"conversations": [sharegpt("human", "Hi"), sharegpt("gpt", "Hello"), sharegpt("human", "Best soup?")],
         "chosen": sharegpt("gpt", "Lentil."), "rejected": sharegpt("gpt", "No idea.")},
        [Pair(TURNS, "Lentil.", "No idea.")],
    ),
    "alpaca": ({"instruction": "Best soup?", "input": "", **TEXTS}, [SOUP]),
    "alpaca with input, system and history": (
        {"instruction": "Best", "input": "soup?", "system": "Brief.", "history": [["Hi", "Hello"]], **TEXTS},
        [Pair([("system", "Brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Best\n\nsoup?")], "Lentil.", "No idea.")],
    ),
    "ms-swift messages": ({"messages": [USER, GOOD], "rejected_response": "No idea."}, [SOUP]),
    "ms-swift rejected messages": ({"messages": [USER, GOOD], "rejected_messages": [USER, BAD]}, [SOUP]),
    "ms-swift query": (
        {"system": "Brief.", "query": "Best soup?", "response": "Lentil.", "rejected_response": "No idea.", "history": [["Hi", "Hello"]]},
        [Pair([("system", "Brief."), *TURNS], "Lentil.", "No idea.")],
    ),
    "ms-swift query alone": ({"query": "Best soup?", "response": "Lentil.", "rejected_response": "No idea."}, [SOUP]),
    "axolotl chat_template": ({"messages": [USER], "chosen": GOOD, "rejected": BAD}, [SOUP]),
    "axolotl argilla": (
        {"system": None, "instruction": "Best soup?", "chosen_response": "Lentil.", "rejected_response": "No idea."},
        [SOUP],
    ),
    "axolotl icr": ({"system": "", "input": "Best soup?", **TEXTS}, [SOUP]),
    "Intel Orca": (
        {"system": "Brief.", "question": "Best soup?", **TEXTS},
        [Pair([("system", "Brief."), ("user", "Best soup?")], "Lentil.", "No idea.")],
    ),
    "distilabel Orca, a tie": (
        {"system": "", "input": "Best soup?", **TEXTS, "generations": ["No idea.", "Lentil."], "order": ["a", "b"],
         "labelling_model": "gpt-4", "rating": [9.0, 9.0], "rationale": "r", "status": "tie", "original_chosen": "x",
         "original_rejected": "y", "chosen_score": 9.0, "in_gsm8k_train": False},
        [TIE],
    ),
    "UltraFeedback, binarized": (
        {"prompt": "Best soup?", "prompt_id": "p1", "chosen": [USER, GOOD], "rejected": [USER, BAD],
         "messages": [USER, GOOD], "score_chosen": 8.0, "score_rejected": 3.0},
        [SOUP],
    ),
    "argilla's cleaned UltraFeedback, a tie": (
        {"source": "s", "prompt": "Best soup?", "chosen": [USER, GOOD], "chosen-rating": 4.5, "chosen-model": "m",
         "rejected": [USER, BAD], "rejected-rating": 4.5, "rejected-model": "n"},
        [TIE],
    ),
    "UltraFeedback": (
        {"source": "evol_instruct", "instruction": "Best soup?", "models": ["m"], "correct_answers": [],
         "completions": [completion("No idea.", 1.5, 9.0), completion("Lentil.", 4.75, 8.0)]},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="gpt-4")],
    ),
    "HelpSteer2 preferences": (
        {"split": "train", "prompt": "Best soup?", "response_1": "No idea.", "response_2": "Lentil.",
         "preference_strength": 2, "preference_statement": "s", "preference_elaboration": "e",
         "three_most_similar_preferences": [], "all_preferences_unprocessed": []},
        [SOUP],
    ),
    "HelpSteer3": (helpsteer3(-2), [Pair(TURNS, "Lentil.", "No idea.")]),
    "HelpSteer3, the second": (helpsteer3(1), [Pair(TURNS, "No idea.", "Lentil.")]),
    "HelpSteer3, a tie": (helpsteer3(0), [Pair(TURNS, "Lentil.", "No idea.", labelled=False)]),
    "SHP": (shp(1), [SOUP]),
    "SHP, the second": (shp(0), [Pair("Best soup?", "No idea.", "Lentil.")]),
    "PKU-SafeRLHF": (safe_rlhf(1), [SOUP]),
    "Nectar": (
        {"prompt": "\n\nHuman: Best soup?\n\nAssistant: ", "num_responses": 2, "turns": 1, "source": ["lmsys"],
         "answers": [{"answer": "No idea.", "model": "x", "rank": 2.0}, {"answer": "Lentil.", "model": "y", "rank": 1.0}],
         "good_natured": True},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="gpt-4")],
    ),
    "Chatbot Arena": (arena("model_a"), [Pair("Best soup?", "Lentil.", "No idea.", annotator="arena_user_1")]),
    "Chatbot Arena, both bad": (arena("tie (bothbad)"), [Pair("Best soup?", "Lentil.", "No idea.", False, "arena_user_1")]),
    "Chatbot Arena, 140k": (
        {"id": "x", "model_a": "m", "model_b": "n", "winner": "model_b", "evaluation_session_id": "s",
         "conversation_a": [parts("user", "Best soup?"), parts("assistant", "No idea.")], "language": "en",
         "conversation_b": [parts("user", "Best soup?"), parts("assistant", "Lentil.")], "is_code": False},
        [SOUP],
    ),
    "MT-bench, judged after its first turn": (
        arena("model_a", conversation_a=[USER, GOOD, USER, GOOD], conversation_b=[USER, BAD, USER, BAD], judge="author_2"),
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="author_2")],
    ),
    "Chatbot Arena, 55k": (kaggle("Lentil.", "No idea.", 1, 0, 0), [SOUP]),
    "Chatbot Arena, 55k, a tie": (kaggle("Lentil.", "No idea.", 0, 0, 1), [TIE]),
    "RewardBench": (
        {"prompt": "Best soup?", **TEXTS, "chosen_model": "m", "rejected_model": "n", "subset": "alpacaeval", "id": 1},
        [SOUP],
    ),
    "RewardBench 2": (
        {"id": "1", "prompt": "Best soup?", "chosen": ["Lentil."], "rejected": ["No idea.", "What?"], "num_correct": 1,
         "num_incorrect": 2, "total_completions": 3, "models": ["m"], "subset": "Focus", "additional_metadata": None},
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
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="3"), Pair("Best soup?", "No idea.", "Lentil.", annotator="ann@x")],
    ),
    "Label Studio, our queue": (
        task(pairwise("left", 1, "response_a,response_b"), pair_id="f", **AB),
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="1")],
    ),
    "Label Studio, nobody answered": (task(), [TIE]),
    "Label Studio, JSON_MIN": (
        {"id": 7, "prompt": "Best soup?", "answer1": "No idea.", "answer2": "Lentil.", "comparison": {"selected": "right"},
         "annotator": 3, "annotation_id": 9, "created_at": "now", "updated_at": "now", "lead_time": 1.5},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="3")],
    ),
    "Argilla 2": (
        {"id": "1", "status": "completed", "_server_id": "s", "fields": ARGILLA, "metadata": {}, "suggestions": {},
         "responses": {"preference": [{"value": "response2", "user_id": "u1"}]}, "vectors": {}},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
    "Argilla 2, flattened": (
        {"id": "1", "status": "completed", "_server_id": "s", **ARGILLA, "preference.responses": ["response2", "response1"],
         "preference.responses.users": ["u1", "u2"], "preference.responses.status": ["submitted", "draft"]},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
    "Argilla 1": (
        {**ARGILLA, "preference": [{"user_id": "u1", "status": "submitted",
                                    "value": [{"rank": 1, "value": "response2"}, {"rank": 2, "value": "response1"}]}],
         "preference-suggestion": None, "preference-suggestion-metadata": {"type": None}, "external_id": None, "metadata": "{}"},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="u1")],
    ),
    "what ser exports": (
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD], "pair_id": "f", "loop": 1, "rm_version": "rm-1",
         "confidence": 0.9, "rule": "1", "source": None, "snapshot": "s"},
        [Pair("Best soup?", "Lentil.", "No idea.", annotator="rm-1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_row_is_read(name: str) -> None:
    row, expected = LAYOUTS[name]
    assert pairs_of(row) == expected


def test_every_shape_of_the_catalogue_is_read_in_some_test() -> None:
    read: set[str] = set()
    for row, _ in LAYOUTS.values():
        read |= reader_of(row)[0].shapes.keys()
    read |= reader_of(*HELPSTEER2)[0].shapes.keys() | reader_of(stack([2, 1]))[0].shapes.keys()
    assert [shape.name for shape in SHAPES if not any(words.startswith(shape.name) for words in read)] == []


def scored(text: str, helpfulness: int, prompt: str = "Best soup?") -> dict[str, Any]:
    rest = {"correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 1}
    return {"prompt": prompt, "response": text, "helpfulness": helpfulness, **rest}


HELPSTEER2 = [scored("No idea.", 1), scored("Lentil.", 4)]


def test_helpsteer2_scores_responses_in_rows_that_follow_each_other() -> None:
    lone = scored("Mint.", 4, "Best tea?")
    tied = [scored("Lentil.", 2, "Which?"), scored("No idea.", 2, "Which?")]
    assert pairs_of(*HELPSTEER2, lone, *tied) == [
        SOUP,
        "fewer than two answers with a score: nothing to compare",
        Pair("Which?", "Lentil.", "No idea.", labelled=False),
    ]


def stack(scores: list[int]) -> dict[str, Any]:
    answers = [
        {"answer_id": place, "author": "a", "author_id": 1, "author_profile": f"u/{place}", "pm_score": score,
         "selected": False, "text": f"<p>Answer {place}</p>"}
        for place, score in enumerate(scores)
    ]  # fmt: skip
    return {
        "qid": 1,
        "question": "<p>Why?</p>",
        "answers": answers,
        "date": "d",
        "metadata": ["https://q/1", "https://q"],
    }


def test_a_ranking_becomes_a_few_pairs_whose_choice_does_not_depend_on_the_ranks() -> None:
    reader, found = reader_of(stack([5, 4, 3, 2, 1]))
    assert len(found) == PAIRS_PER_RANKING and reader.shapes == {"stack-exchange-preferences": 1}
    pairs = pairs_of(stack([5, 4, 3, 2, 1]))
    assert all(isinstance(pair, Pair) and pair.annotator == "votes" and pair.better < pair.worse for pair in pairs)
    upside_down = pairs_of(stack([1, 2, 3, 4, 5]))
    assert [(pair.worse, pair.better) for pair in upside_down] == [(pair.better, pair.worse) for pair in pairs]  # type: ignore[union-attr]


def test_ties_of_a_ranking_are_no_pairs() -> None:
    assert len(pairs_of(stack([2, 2, 1]))) == 2
    assert pairs_of(stack([2, 2, 2])) == ["no two answers with different scores: nothing to compare"]


def test_what_a_shape_reads_is_no_metadata_and_everything_else_is() -> None:
    row, _ = LAYOUTS["UltraFeedback, binarized"]
    _, (found,) = reader_of({**row, "note": "kept"})
    assert json.loads(found.metadata) == {"note": "kept", "score_chosen": 8.0, "score_rejected": 3.0}  # type: ignore[union-attr]
    assert found.group == "p1"  # type: ignore[union-attr]
    _, (found,) = reader_of(shp(1))
    assert found.group == "abc" and "history" not in json.loads(found.metadata)  # type: ignore[union-attr]


def test_what_was_read_is_said() -> None:
    def said(name: str) -> tuple[list[str], list[str]]:
        reader, _ = reader_of(LAYOUTS[name][0])
        return list(reader.shapes), list(reader.notes)

    assert said("TRL conversational, implicit")[0] == ["TRL conversational, prompt taken from the shared turns"]
    assert said("TRL standard, implicit")[0] == ["TRL standard, prompt taken from the shared beginning"]
    assert said("hh-rlhf")[0] == ["TRL as transcripts, prompt taken from the shared turns"]
    assert said("what ser exports")[1] == ["labels of a reward model, which is their annotator: no people's labels"]
    assert "'safer_response_id' was not read" in said("PKU-SafeRLHF")[1][0]
    assert said("HelpSteer3, a tie")[1] == ["ties, landed without a label"]


BROKEN = (7, True, "", "x", [], {}, [7], [[]], [None], {"x": 1}, "[", [{"role": "user"}], ["x", "y"], [["x", "y"]])


@pytest.mark.parametrize("name", [*LAYOUTS, "stack-exchange-preferences", "HelpSteer2"])
def test_a_broken_value_is_a_row_or_a_reason(name: str) -> None:
    others = {"stack-exchange-preferences": stack([2, 1]), "HelpSteer2": HELPSTEER2[0]}
    row = others.get(name) or LAYOUTS[name][0]
    for column in row:
        for broken in BROKEN:
            for found in pairs_of({**row, column: broken}):
                assert isinstance(found, Pair) or (found and len(found) < 700)
