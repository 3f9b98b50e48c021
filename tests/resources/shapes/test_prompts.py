"""What is taken for the prompt, and what is not."""

from typing import Any

import pytest

from resources.landing.shapes.mapping import ColumnMap, parse_columns, parse_values
from tests.resources.shapes.layouts_judged import pairwise, task
from tests.resources.shapes.reading import Pair, pairs_of, reader_of, seen
from tests.resources.shapes.soups import AB, SOUP, TEXTS, USER

SHARED = {"chosen": "The sky is blue.", "rejected": "The sky is black."}
MARK = "<extra_id_1>"


@pytest.mark.parametrize("column", ["prompt", "Instruction", "question", "query", "input"])
def test_an_empty_prompt_is_never_invented(column: str) -> None:
    assert pairs_of({**SHARED, column: None}, {**SHARED, column: ""}) == ["the prompt is empty"] * 2


@pytest.mark.parametrize("value", ["What colour is the sky?", [USER], USER])
def test_a_column_that_may_be_the_prompt_is_named(value: Any) -> None:
    (found,) = pairs_of({**SHARED, "Task text": value, "id": 7})
    assert isinstance(found, str)
    assert found.startswith("no prompt: say which column it is with --map prompt=COLUMN, of 'Task text'; or --map")


def test_other_columns_leave_the_shared_beginning() -> None:
    row = {**SHARED, "lang": "en", "id": 7, "tags": ["a b"], "prompt_id": 3, "source": "a b"}
    assert pairs_of(row) == [Pair("The sky is", "blue.", "black.")]


@pytest.mark.parametrize(
    ("prompt", "one", "other"),
    [("Prompt", "Response A", "Response B"), ("prompt", "response 1", "response 2"),
     ("PROMPT", "Response-A", "Response-B"), ("Question", "Answer_1", "answer 2")],
)  # fmt: skip
def test_spaces_and_dashes_in_names_are_underscores(prompt: str, one: str, other: str) -> None:
    row = {prompt: "Best soup?", one: "Lentil.", other: "No idea."}
    assert pairs_of({**row, "Better Response": one}) == [SOUP]
    assert pairs_of({**row, "winner": one.lower().replace(" ", "_").replace("-", "_")}) == [SOUP]


def test_prompts_with_the_marks_of_helpsteer2_are_parsed() -> None:
    prompt = f"Hi{MARK}Assistant\nHello\n{MARK}User\nBest soup?"
    turns = [("user", "Hi"), ("assistant", "Hello"), ("user", "Best soup?")]
    expected = [Pair(turns, "Lentil.", "No idea.")]
    assert pairs_of({"prompt": prompt, **TEXTS}) == expected
    assert pairs_of({"prompt": f"{MARK}User\n{prompt}\n{MARK}Assistant\n", **TEXTS}) == expected


@pytest.mark.parametrize(
    "mark",
    ["<extra_id_0>System\n", "<|prompter|>", "<|START_OF_TURN_TOKEN|>", "<｜User｜>", "<｜Assistant｜>",
     "<|header_start|>user<|header_end|>", "<reserved_106>"],
)  # fmt: skip
@pytest.mark.parametrize("column", ["prompt", "chosen"])
def test_other_templates_are_refused(mark: str, column: str) -> None:
    (found,) = pairs_of({"prompt": "Best soup?", **TEXTS, column: f"{mark}Hi"})
    assert isinstance(found, str) and found.startswith("turns of a chat template inside a text")


@pytest.mark.parametrize("prompt", ["### Instruction:\nBest soup?", "### Human: Hi", "USER: Best soup? ASSISTANT:"])
def test_names_of_turns_are_counted(prompt: str) -> None:
    reader, (found,) = reader_of({"prompt": prompt, **TEXTS})
    assert not isinstance(found, str)
    assert list(reader.notes) == [
        "texts that begin with a name of a turn (### Instruction:, USER:) were kept as they are"
    ]


def test_a_system_prompt_is_the_message_of_the_system() -> None:
    expected = Pair([("system", "Brief."), ("user", "Best soup?")], "Lentil.", "No idea.")
    assert pairs_of({"system_prompt": "Brief.", "prompt": "Best soup?", **TEXTS}) == [expected]


@pytest.mark.parametrize("column", ["passage", "document", "context", "conversation"])
def test_text_beside_the_prompt_that_is_not_read_is_said(column: str) -> None:
    reader, _ = reader_of({**AB, column: "Soups are many."})
    assert reader.notes == {
        f"a column '{column}' was not read: --map prompt={column}+prompt joins it with the prompt": 1
    }


@pytest.mark.parametrize("column", ["image", "image_path", "image_url", "Image URL"])
def test_pictures_are_refused(column: str) -> None:
    assert pairs_of({**AB, column: "x.png"}) == ["image parts are not supported: only text is"]
    assert pairs_of({**AB, column: ""}) != ["image parts are not supported: only text is"]


@pytest.mark.parametrize(
    "column",
    [
        {"问题": "最好的汤是什么？"},
        {"inputs": {"question": "Best soup?"}},
        {"context": ["Hi", "Hello", "Best soup?"]},
        {"context": [{"role": "human", "text": "Best soup?"}]},
    ],
)
def test_a_prompt_in_any_form_is_not_passed_over_for_a_shared_beginning(column: dict[str, Any]) -> None:
    (found,) = pairs_of(column | {"chosen": "Sure, here is lentil.", "rejected": "Sure, here is nothing."})
    assert isinstance(found, str) and found.startswith("no prompt: say which column it is with --map prompt=COLUMN, of")


def test_a_beginning_that_only_some_responses_share_is_no_prompt() -> None:
    rows = [
        {"word": f"w{i}", "chosen": f"{'A soup' if i % 2 else i} is good", "rejected": "A soup is bad"}
        for i in range(9)
    ]
    assert all(isinstance(found, str) and "no prompt" in found for found in pairs_of(*rows))
    assert [found for found in pairs_of(*rows, mapping=ColumnMap(parse_columns("prompt="))) if isinstance(found, Pair)]


def test_a_column_inside_one_that_the_shape_needs_can_be_named() -> None:
    row = task(pairwise("left", 3))
    row["data"]["dialogue"] = row["data"].pop("prompt")
    (found,) = pairs_of(row)
    assert isinstance(found, str) and "(data.NAME, or fields.NAME, where it stands inside)" in found
    mapping = ColumnMap(parse_columns("prompt=data.dialogue,source=data.dialogue"))
    _, (read,) = reader_of(row, mapping=mapping)
    assert (seen(read).prompt, read.source) == ("Best soup?", "Best soup?")  # type: ignore[arg-type, union-attr]


def test_names_with_commas_and_words_with_signs_can_be_mapped() -> None:
    row = {"prompt": "Best soup?", "A": "Lentil.", "B": "No idea.", "Which, A or B?": "A=B"}
    mapping = ColumnMap(parse_columns('response_a=A,response_b=B,preferred="Which, A or B?"'), parse_values("A=B=b"))
    assert pairs_of(row, mapping=mapping) == [Pair("Best soup?", "No idea.", "Lentil.")]
