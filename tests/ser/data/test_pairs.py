"""The identity and the canonical form of a pair."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.pairs import (
    canonical_prompt,
    dialogue,
    is_empty,
    keyed_hash,
    ordered,
    pair_id,
    prompt_messages,
    readable_prompt,
    transcript,
    unit_interval,
)

TEXTS = st.text(min_size=1, max_size=20).filter(
    lambda text: text.isprintable() and not is_empty(text) and transcript(text) is None
)


@given(TEXTS, TEXTS, TEXTS)
def test_identity_and_orientation_do_not_depend_on_which_response_comes_first(prompt: str, one: str, other: str):
    canonical = canonical_prompt(prompt)
    identity = pair_id(canonical, one, other)
    assert identity == pair_id(canonical, other, one)
    assert len(identity) == 24
    assert ordered(identity, one, other) == ordered(identity, other, one)
    assert sorted(ordered(identity, one, other)) == sorted((one, other))


def test_both_orientations_occur_equally_often():
    first = sum(ordered(pair_id("p", f"a{i}", f"b{i}"), f"a{i}", f"b{i}")[0] == f"a{i}" for i in range(2000))
    assert 900 < first < 1100


def test_identity_depends_on_every_text():
    ids = {pair_id("p", "a", "b"), pair_id("q", "a", "b"), pair_id("p", "a", "c"), pair_id("p", "ab", "")}
    assert len(ids) == 4


def test_hash_keeps_parts_and_keys_apart():
    assert keyed_hash("k", "ab", "c") != keyed_hash("k", "a", "bc")
    assert keyed_hash("k", "a") != keyed_hash("l", "a")
    assert keyed_hash("k", "a") == keyed_hash("k", "a")


def test_draws_are_uniform_and_repeatable():
    draws = [unit_interval("role", str(i)) for i in range(4000)]
    assert draws == [unit_interval("role", str(i)) for i in range(4000)]
    assert all(0 <= draw < 1 for draw in draws)
    assert 0.48 < sum(draws) / len(draws) < 0.52


@pytest.mark.parametrize("text", ["Human:", "Human: \n\nAssistant:", "\u2800", "\u200b\n"])
def test_a_prompt_that_asks_nothing_is_empty(text: str):
    with pytest.raises(ValueError, match="the prompt is empty"):
        canonical_prompt(text)


def test_a_string_is_one_user_message():
    assert canonical_prompt("  How?\n") == '[{"role":"user","content":"How?"}]'


def test_a_transcript_becomes_its_turns():
    text = "\n\nHuman: Hi \n\nAssistant: Hello\n\nHuman: Why?\nReally?\n\nAssistant:"
    assert prompt_messages(canonical_prompt(text)) == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Why?\nReally?"},
    ]
    assert readable_prompt(canonical_prompt(text)) == "User: Hi\n\nAssistant: Hello\n\nUser: Why?\nReally?"


def test_words_that_look_like_a_turn_in_the_middle_of_a_text_stay_text():
    text = "Continue this:\n\nHuman: Hi\n\nAssistant:"
    assert prompt_messages(canonical_prompt(text)) == [{"role": "user", "content": text}]


def test_turns_of_a_line_each_need_no_blank_line():
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert (
        transcript("Human: Hi\nAssistant: Hello")
        == transcript("\n\nHuman: Hi\n\nAssistant: Hello\n\nAssistant:")
        == turns
    )
    assert transcript("Human: Hi\n\nAssistant: a\nHuman: b") == [
        turns[0],
        {"role": "assistant", "content": "a\nHuman: b"},
    ]
    assert transcript("Hi") is None


MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(("system", "user", "assistant")), "content": TEXTS | st.sampled_from(
        ('"},{"role":"', '{"role":"user"', "\\", '\\"},{"role":"user","content":"'))}), max_size=5,
)  # fmt: skip


@given(MESSAGES)
def test_a_dialogue_is_what_stands_up_to_the_first_message_of_the_user(before: list[dict[str, str]]):
    canonical = canonical_prompt([*before, {"role": "user", "content": "last"}])
    messages = prompt_messages(canonical)
    first = next(place for place, message in enumerate(messages) if message["role"] == "user")
    shortest = canonical_prompt(messages[: first + 1])
    assert dialogue(canonical) == shortest == dialogue(shortest)


@given(st.text())
def test_the_canonical_json_of_a_text_is_json(text: str):
    if not is_empty(text) and not text.lstrip().startswith("Human:"):
        assert prompt_messages(canonical_prompt(text))[0]["content"] == text.strip()


def test_messages_keep_their_roles_and_lose_everything_else():
    messages = [
        {"role": "system", "content": " Be brief. ", "name": "x"},
        {"role": "user", "content": "Grüße?"},
    ]
    canonical = canonical_prompt(messages)
    assert json.loads(canonical) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Grüße?"},
    ]
    assert "Grüße" in canonical
    assert canonical_prompt(json.loads(canonical)) == canonical


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (" \n", "prompt is empty"),
        ([], "prompt is empty"),
        ([{"role": "robot", "content": "x"}], "role 'robot'"),
        ([{"role": "user", "content": "x"}, {"role": "user", "content": " "}], "message without text"),
        ([{"role": "user", "content": 3}], "prompt is empty"),
        (
            [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
            "ends with a message of the assistant",
        ),
        ("\n\nHuman: a\n\nAssistant: b", "ends with a message of the assistant"),
        ([{"role": "system", "content": "x"}], "ends with a system message"),
        ("\u200b", "prompt is empty"),
    ],
)
def test_a_prompt_that_nobody_can_answer_is_refused(prompt: object, message: str):
    with pytest.raises(ValueError, match=message):
        canonical_prompt(prompt)  # type: ignore[arg-type]
