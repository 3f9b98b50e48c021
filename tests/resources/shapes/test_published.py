"""Each published shape, with rows of its layout."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.landing.shapes.catalogue import SHAPES
from resources.landing.shapes.html_text import TOO_BROKEN
from resources.landing.shapes.rankings import PAIRS_PER_RANKING
from tests.resources.shapes.layouts_judged import JUDGED, shp
from tests.resources.shapes.layouts_named import NAMED
from tests.resources.shapes.reading import Pair, pairs_of, reader_of
from tests.resources.shapes.soups import SOUP

LAYOUTS = NAMED | JUDGED


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
        "one response to this prompt: rows of one prompt must follow each other",
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


def test_an_answer_that_cannot_be_read_costs_its_row() -> None:
    row = stack([2, 1])
    row["answers"][1]["text"] = "<div>" * 2000
    assert pairs_of(row, stack([2, 1])) == [TOO_BROKEN, *pairs_of(stack([2, 1]))]


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
    assert said("what ser exports")[1] == [
        "labels of a reward model were not read, only its pairs: "
        "--map chosen=chosen,rejected=rejected,prompt=prompt takes them as labels"
    ]
    assert "'safer_response_id' was not read" in said("PKU-SafeRLHF")[1][0]
    assert said("HelpSteer3, a tie")[1] == ["ties, landed without a label"]


BROKEN = (
    float("inf"),
    7,
    True,
    "",
    "x",
    [],
    {},
    [7],
    [[]],
    [None],
    {"x": 1},
    "[",
    [{"role": "user"}],
    ["x", "y"],
    [["x", "y"]],
)


@pytest.mark.parametrize("name", [*LAYOUTS, "stack-exchange-preferences", "HelpSteer2"])
def test_a_broken_value_is_a_row_or_a_reason(name: str) -> None:
    others = {"stack-exchange-preferences": stack([2, 1]), "HelpSteer2": HELPSTEER2[0]}
    row = others.get(name) or LAYOUTS[name][0]
    for column in row:
        for broken in BROKEN:
            for found in pairs_of({**row, column: broken}):
                assert isinstance(found, Pair) or (found and len(found) < 700)


COLUMNS = sorted({column for row, _ in LAYOUTS.values() for column in row})
WORDS = (
    10**400,
    "",
    "a",
    "x",
    " ",
    "\0",
    "\ud800",
    "[",
    "Human: x\nAssistant: y",
    "<|im_start|>user\nx",
    "[INST] x",
    "</s>",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from((*WORDS, "user", "assistant", "system")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries({"role": st.sampled_from(("user", "assistant", "system")), "content": inner})
        | st.dictionaries(
            st.sampled_from(("from", "value", "status", "text", "type", "rank", "selected")), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(LAYOUTS)), st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1, max_size=4))
def test_whatever_a_row_holds_it_is_a_row_or_a_reason(name: str, changed: dict[str, Any]) -> None:
    for found in pairs_of(LAYOUTS[name][0] | changed, changed):
        assert isinstance(found, Pair) or found.encode()
