"""One prompt and two texts, from whatever forms they come in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.resources.shapes.reading import Pair, pairs_of, reader_of

TEXTS = {"chosen": "Lentil.", "rejected": "No idea."}
SOUP = Pair("Best soup?", "Lentil.", "No idea.")


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


BRIEF = [("system", "Brief."), ("user", "Best soup?")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # The system's message: a column, a message, both the same, or nothing.
        ({"system": "Brief.", "prompt": "Best soup?", **TEXTS}, Pair(BRIEF, "Lentil.", "No idea.")),
        ({"system": " ", "prompt": "Best soup?", **TEXTS}, SOUP),
        ({"system": "Brief.", "prompt": [system("Brief."), user("Best soup?")], **TEXTS}, Pair(BRIEF, "Lentil.",
         "No idea.")),
        ({"system": "Long.", "prompt": [system("Brief."), user("Best soup?")], **TEXTS},
         "the column 'system' and the system message of the prompt differ"),
        ({"prompt": [system(""), user("Best soup?")], **TEXTS}, SOUP),
        ({"prompt": [{"role": "developer", "content": "Brief."}, user("Best soup?")], **TEXTS}, Pair(BRIEF,
         "Lentil.", "No idea.")),
        ({"prompt": [system("Brief."), user("Best soup?")], "chosen": [user("Best soup?"), assistant("Lentil.")],
          "rejected": [user("Best soup?"), assistant("No idea.")]}, Pair(BRIEF, "Lentil.", "No idea.")),
        # Names of roles, parts of texts, numbers.
        ({"prompt": [{"from": "human", "value": "Best soup?"}], "chosen": {"from": "gpt", "value": "Lentil."},
          "rejected": "No idea."}, SOUP),
        ({"prompt": [{"role": "prompter", "content": "Best soup?"}], **TEXTS}, SOUP),
        ({"prompt": [user([{"type": "text", "text": "Best"}, {"type": "text", "text": "soup?"}])], **TEXTS},
         Pair("Best\nsoup?", "Lentil.", "No idea.")),
        ({"prompt": "2+2?", "chosen": 4, "rejected": 5.5}, Pair("2+2?", "4", "5.5")),
        ({"prompt": 7, **TEXTS}, Pair("7", "Lentil.", "No idea.")),
        # The prompt once more in the responses.
        ({"prompt": "Best soup?", "chosen": "Best soup? Lentil.", "rejected": "Best soup? No idea."}, SOUP),
        ({"prompt": "Tell me", "chosen": "Tell me\nLentil.", "rejected": "Tell me\nNo idea."}, Pair("Tell me",
         "Lentil.", "No idea.")),
        ({"prompt": "Good day", "chosen": "Good day to you.", "rejected": "Good day, sir."},
         Pair("Good day", "Good day to you.", "Good day, sir.")),
        ({"prompt": "Hi!", "chosen": "Hi! How are you?", "rejected": "Hi! Yes?"}, Pair("Hi!", "Hi! How are you?",
         "Hi! Yes?")),
        ({"prompt": "Best soup?", "chosen": "Best soup? Lentil.", "rejected": "No idea."},
         Pair("Best soup?", "Best soup? Lentil.", "No idea.")),
        # Conversations that differ before their last answer.
        ({"chosen": [user("Hi"), assistant("Yes?"), user("Soup"), assistant("Lentil.")],
          "rejected": [user("Hi"), assistant("What?"), user("Why"), assistant("No.")]},
         Pair("Hi", "Yes?\n\nUser: Soup\n\nAssistant: Lentil.", "What?\n\nUser: Why\n\nAssistant: No.")),
        # A prompt beside whole conversations that it is no part of.
        ({"prompt": "p", "chosen": [user("Best soup?"), assistant("Lentil.")],
          "rejected": [user("Best soup?"), assistant("No idea.")]}, SOUP),
    ],
)  # fmt: skip
def test_a_row_is_settled(row: dict[str, Any], expected: Pair | str) -> None:
    assert pairs_of(row) == [expected]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "", **TEXTS}, "the prompt is empty"),
        ({"prompt": "\u200b", **TEXTS}, "the prompt is empty"),
        ({"prompt": "Best soup?", "chosen": "\u200b \u200b", "rejected": "b"}, "'chosen' is empty"),
        ({"prompt": "Best soup?", "chosen": "x", "rejected": "x \n"}, "equal responses"),
        ({"prompt": "Best soup?", "chosen": True, "rejected": "x"}, "'chosen' has the wrong type 'bool'"),
        ({"prompt": ["Best soup?", "Best?"], **TEXTS}, "'prompt' is no list of messages"),
        ({"prompt": [user("Best soup?"), assistant("Hm.")], **TEXTS},
         "ends with a message of the assistant: put it at the beg"),
        ({"prompt": [system("Brief.")], **TEXTS}, "ends with a system message: there is nothing to respond to"),
        ({"prompt": [{"role": "cat", "content": "x"}], **TEXTS}, "of the unknown role 'cat'"),
        ({"prompt": [user("x"), user(" ")], **TEXTS}, "the prompt has a message without text"),
        ({"prompt": [user("x"), {"role": "tool", "content": "y"}], **TEXTS}, "tool calls are not supported"),
        ({"prompt": [user("x"), assistant(None) | {"tool_calls": [{"id": 1}]}], **TEXTS},
         "tool calls are not supported"),
        ({"prompt": "Best soup?", "tools": [{"name": "f"}], **TEXTS}, "tool calls are not supported"),
        ({"prompt": "Best soup?", "images": ["x.png"], **TEXTS}, "image parts are not supported"),
        ({"prompt": [user([{"type": "image_url", "image_url": {}}])], **TEXTS},
         "image parts are not supported: only text is"),
        ({"prompt": [user([{"type": "input_audio"}])], **TEXTS}, "audio parts are not supported"),
        ({"prompt": "[{'role': 'user', 'content': 'x'}]", **TEXTS}, "a list as Python writes it, which is not JSON"),
        ({"prompt": "x", "chosen": "{'role': 'assistant', 'content': 'x'}", "rejected": "y"},
         "a list as Python writes it"),
        ({"prompt": "nul \0 here", **TEXTS}, "the prompt has a NUL character"),
        ({"prompt": "x", "chosen": "\0y", "rejected": "z"}, "'chosen' has a NUL character"),
        ({"prompt": "half \ud83d", **TEXTS}, "half of a character"),
        ({"prompt": "x", "chosen": "half \ud83d", "rejected": "z"}, "half of a character"),
        ({"prompt": "x", "chosen": "é" * 500_001, "rejected": "z"},
         "a response of 1000002 bytes: no model could be meant for it"),
        ({"chosen": "Lentil.", "rejected": "No idea."}, "no prompt, and the responses share no beginning"),
        ({"chosen": [user("x"), assistant("y")], "rejected": [user("z"), assistant("y")]}, "share no turn of the user"),
        ({"chosen": [user("x"), assistant("y"), user("z")], "rejected": [user("x"), assistant("w"), user("z")]},
         "differ in more than answers of the assistant"),
        ({"prompt": [user("x")], "chosen": [user("y"), assistant("a")], "rejected": [user("y"), assistant("b")]},
         "do not begin with the prompt"),
        ({"prompt": "x", **TEXTS, "response_a": "a", "response_b": "b"}, "has both 'chosen' and 'response_a'"),
        ({"prompt": [], "chosen": assistant("a"), "rejected": assistant("b"), "system": "x"}, "there is no prompt"),
        ({"prompt": "x", "chosen": "y"}, "no 'rejected': nothing to compare"),
        ({"prompt": "x", "response_b": "y"}, "no 'response_a': nothing to compare"),
        ({"prompt": "x"}, "no responses: nothing to compare"),
        ({"prompt": "x", "completion": "y", "label": True}, "one response each: nothing to compare"),
        ({"messages": [user("x"), assistant("y")]}, "one response each: nothing to compare"),
        ({"colour": "x", "shape": "y"}, "the columns 'colour, shape' are no known form of preferences: say which"),
        ({"prompt": "x", **TEXTS, "role": "user"}, "role 'user' is unknown; allowed are seed"),
        ({"prompt": "x", "response_a": "a", "response_b": "b", "role": "test"}, "role 'test' needs a label"),
    ],
)  # fmt: skip
def test_a_row_that_compares_nothing_says_why(row: dict[str, Any], reason: str) -> None:
    (found,) = pairs_of(row)
    assert isinstance(found, str) and reason in found


def test_every_response_of_one_list_is_compared_with_every_one_of_the_other() -> None:
    row = {"prompt": "Best soup?", "chosen": ["a", "b"], "rejected": ["c", "d", "a"]}
    reader, found = reader_of(row)
    assert len(found) == 6 and found.count("equal responses") == 1
    assert reader.shapes == {"TRL standard": 1}


def test_of_long_lists_some_responses_are_drawn() -> None:
    row = {"prompt": "x", "chosen": [f"a{n}" for n in range(100)], "rejected": [f"b{n}" for n in range(100)]}
    reader, found = reader_of(row)
    assert len({(pair.pair.response_a, pair.pair.response_b) for pair in found}) == 64  # type: ignore[union-attr]
    assert reader.notes == {"lists of many responses: 8 of each side were drawn": 1}


@pytest.mark.parametrize(
    ("said", "role"),
    [("Test", "test"), ("train", "train"), ("validation", "calibration"), ("dev", "calibration"), ("SEED", "seed"),
     ("", None)],
)  # fmt: skip
def test_a_row_may_ask_for_a_role(said: str, role: str | None) -> None:
    _, (found,) = reader_of({"prompt": "x", **TEXTS, "role": said})
    assert found.role == role  # type: ignore[union-attr]


def test_what_was_done_is_counted_in_rows() -> None:
    repeated = {"prompt": "Best soup?", "chosen": "Best soup? Lentil.", "rejected": "Best soup? No idea."}
    reader, _ = reader_of(repeated, repeated, {"prompt": "x", **TEXTS, "context": "y"})
    assert reader.notes == {
        "the prompt repeated in the responses was taken off": 2,
        "a column 'context' was not read: --map prompt=context+prompt joins it with the prompt": 1,
    }
    assert reader.columns == ["prompt", "chosen", "rejected", "context"]
    assert reader.shapes == {"TRL standard": 3}


WORDS = st.text("abc \n", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))


@given(WORDS, WORDS, WORDS)
def test_all_forms_of_a_pair_say_the_same(prompt: str, good: str, bad: str) -> None:
    turns = [user(prompt)]
    forms: list[dict[str, Any]] = [
        {"prompt": prompt, "response_a": good, "response_b": bad, "preferred": "a"},
        {"prompt": turns, "chosen": [assistant(good)], "rejected": [assistant(bad)]},
        {"chosen": [*turns, assistant(good)], "rejected": [*turns, assistant(bad)]},
        {"prompt": prompt, "chosen": [*turns, assistant(good)], "rejected": [*turns, assistant(bad)]},
        {"chosen": f"\n\nHuman: {prompt}\n\nAssistant: {good}", "rejected": f"\n\nHuman: {prompt}\n\nAssistant: {bad}"},
    ]
    first, *others = (pairs_of(form) for form in forms)
    assert all(other == first for other in others)


TWO_TURNS = [("user", "Best soup?"), ("assistant", "Lentil."), ("user", "And salad?")]


@pytest.mark.parametrize(
    ("prompt", "one", "other", "expected"),
    [
        ('["Best soup?"]', '["Lentil."]', '["No idea."]', SOUP),
        (
            '["Best soup?", "And salad?"]', '["Lentil.", "Lentil."]', '["Lentil.", null]',
            "'response_b' is empty",
        ),
        (
            '["Best soup?", "And salad?"]', '["Lentil.", "Lentil."]', ' ["Lentil.", "No idea."]\n',
            Pair(TWO_TURNS, "Lentil.", "No idea."),
        ),
        ('["Best soup?"]', '["Lentil.", "x"]', '["No idea."]',
         Pair('["Best soup?"]', '["Lentil.", "x"]', '["No idea."]')),
        ("['Best soup?']", "['Lentil.']", '["I don\'t know."]',
         "the columns hold lists as Python writes them, which is not JSON: save them with json.dumps"),
        ("Best soup?", "['Lentil.']", "['No idea.']", Pair("Best soup?", "['Lentil.']", "['No idea.']")),
        ("[draft] Best soup?", "[1] Lentil. [2]", "[1]", Pair("[draft] Best soup?", "[1] Lentil. [2]", "[1]")),
    ],
)  # fmt: skip
def test_lists_of_texts_in_cells_are_the_turns_of_a_conversation(
    prompt: str, one: str, other: str, expected: Pair | str
) -> None:
    row = {"prompt": prompt, "response_a": one, "response_b": other, "preferred": "a"}
    reader, _ = reader_of(row)
    assert pairs_of(row) == [expected]
    if isinstance(expected, Pair) and expected.better == "Lentil.":
        assert reader.shapes == {"two responses, lists of texts as turns": 1}


def test_responses_that_are_lists_of_texts_beside_a_prompt_are_kept_and_said() -> None:
    row = {"prompt": "Name two soups as JSON", "chosen": '["Lentil", "Leek"]', "rejected": '["Soup"]'}
    reader, _ = reader_of(row)
    assert pairs_of(row) == [Pair(row["prompt"], row["chosen"], row["rejected"])]
    (note,) = reader.notes
    assert note.startswith("responses that are lists of texts, written as one text, were kept as they are")
