"""What the tokenizers and chat templates of the presets' models do to a pair, token by token."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ser.data.encoding import encode_pair, encode_prompt, encode_response
from ser.data.pairs import Pair, canonical_prompt
from ser.errors import SerError
from ser.models.tokenizer import embedding_rows, load_tokenizer, read_tokenizer
from tests.published import FAMILIES, LLAMA_2, LLAMA_3, MISTRAL, write_published

SYSTEM = {"role": "system", "content": "Be kind."}
ASKED = {"role": "user", "content": "How can I cook rice?"}
SAID = {"role": "assistant", "content": "Boil water first."}
MORE = {"role": "user", "content": "And then?"}
ENDS = {"llama-2-13b": "</s>", "llama-3-70b": "<|eot_id|>", "llama-3-8b": "<|eot_id|>", "mistral-7b": "</s>"}


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folders = {name: write_published(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}
    return {name: load_tokenizer(folder) for name, folder in folders.items()}


def prompt_tokens(tokenizer: Any, *turns: dict[str, str]) -> list[str]:
    return tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, canonical_prompt(list(turns))))


def response_tokens(tokenizer: Any, text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(encode_response(tokenizer, text))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_response_ends_once_with_the_token_that_ends_a_turn(tokenizers: dict[str, Any], name: str) -> None:
    tokenizer = tokenizers[name]
    tokens, end = response_tokens(tokenizer, SAID["content"]), ENDS.get(name, "<|im_end|>")
    assert tokens[-1] == end == tokenizer.eos_token and tokens.count(end) == 1
    assert tokenizer.pad_token is not None and tokenizer.pad_token != end
    assert tokenizer.bos_token is None or tokenizer.bos_token not in tokens
    assert tokenizer.decode(encode_response(tokenizer, SAID["content"])) == SAID["content"] + end


@pytest.mark.parametrize(
    ("name", "begin", "pad"),
    [
        ("llama-3-8b", "<|begin_of_text|>", "<|reserved_special_token_0|>"),
        ("mistral-7b", "<s>", "<unk>"),
        ("llama-2-13b", "<s>", "<unk>"),
    ],
)
def test_a_conversation_begins_once_although_tokenizer_and_template_both_begin_it(
    tokenizers: dict[str, Any], name: str, begin: str, pad: str
) -> None:
    tokenizer = tokenizers[name]
    assert tokenizer.convert_ids_to_tokens(tokenizer("x")["input_ids"])[0] == begin
    tokens = prompt_tokens(tokenizer, ASKED)
    assert tokens[0] == begin and tokens.count(begin) == 1
    assert tokenizer.pad_token == pad and pad not in tokens
    # Llama 2 begins every exchange anew, and ends each reply before it; the others begin once.
    longer = prompt_tokens(tokenizer, ASKED, SAID, MORE)
    assert longer.count(begin) == (2 if name == "llama-2-13b" else 1)
    assert longer.count(tokenizer.eos_token) == (3 if name == "llama-3-8b" else 1)


@pytest.mark.parametrize("name", ["qwen2.5-0.5b", "smollm2-135m"])
def test_chatml_has_a_system_message_of_its_own_and_no_token_that_begins_a_conversation(
    tokenizers: dict[str, Any], name: str
) -> None:
    tokenizer = tokenizers[name]
    asked = tokenizer.decode(encode_prompt(tokenizer, canonical_prompt([ASKED])))
    opening = "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n"
    assert asked == f"{opening}{ASKED['content']}<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.pad_token == "<|endoftext|>"


def test_a_prompt_that_is_cut_keeps_what_begins_every_text(tokenizers: dict[str, Any]) -> None:
    long = Pair("x", canonical_prompt([ASKED | {"content": "cook rice " * 40}]), "Yes.", "No.")
    for name, begin in (("llama-3-8b", ["<|begin_of_text|>"]), ("mistral-7b", ["<s>"]), ("smollm2-135m", [])):
        tokenizer = tokenizers[name]
        whole, pair = encode_prompt(tokenizer, long.prompt), encode_pair(tokenizer, long, 40)
        assert len(pair.prompt) == 40 - len(pair.response_a) and pair.cut == len(whole) - len(pair.prompt)
        assert tokenizer.convert_ids_to_tokens(pair.prompt)[: len(begin)] == begin
        rest = pair.prompt[len(begin) :]
        assert rest == whole[-len(rest) :]


def test_what_a_template_refuses_is_said_in_turns(tokenizers: dict[str, Any]) -> None:
    """Mistral knows no system, and neither knows two questions in a row; nothing of them is lost."""
    for name in ("mistral-7b", "llama-2-13b"):
        tokenizer = tokenizers[name]
        text = tokenizer.decode(encode_prompt(tokenizer, canonical_prompt([SYSTEM, ASKED, MORE])))
        assert all(turn["content"] in text for turn in (SYSTEM, ASKED, MORE))
        assert text.count("[INST]") == text.count("[/INST]") == 1
    said = tokenizers["llama-2-13b"].decode(encode_prompt(tokenizers["llama-2-13b"], canonical_prompt([SYSTEM, ASKED])))
    assert said == "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHow can I cook rice? [/INST]"


@pytest.mark.parametrize("name", FAMILIES)
def test_prompt_and_response_have_the_tokens_of_the_whole_conversation(tokenizers: dict[str, Any], name: str) -> None:
    """But for spaces of SentencePiece: those who trained Mistral began a reply with one, which the template on the hub
    leaves out; and the template of Llama 2 has one before the end of a reply, which we leave out."""
    tokenizer = tokenizers[name]
    whole = tokenizer.apply_chat_template([ASKED, SAID], tokenize=False)
    expected = tokenizer.convert_ids_to_tokens(tokenizer(whole, add_special_tokens=False)["input_ids"])
    expected = expected[: len(expected) - expected[::-1].index(tokenizer.eos_token)]
    if name == "llama-2-13b":
        assert expected.pop(-2) == "▁"
    ours = [*prompt_tokens(tokenizer, ASKED), *response_tokens(tokenizer, SAID["content"])]
    if name == "mistral-7b":
        assert ours != expected
        spaced = tokenizer.apply_chat_template([ASKED, SAID | {"content": f" {SAID['content']}"}], tokenize=False)
        expected = tokenizer.convert_ids_to_tokens(tokenizer(spaced, add_special_tokens=False)["input_ids"])
    assert ours == expected


def test_llama_3_ends_a_turn_as_its_template_does_whatever_its_files_call_the_end(tmp_path: Path) -> None:
    """As it was first published: `eos_token` ended a text, and the model never ends a reply with it."""
    first = replace(LLAMA_3, named=LLAMA_3.named | {"eos_token": "<|end_of_text|>"})
    folder = write_published("llama-3-8b", tmp_path / "first", first)
    assert read_tokenizer(folder).eos_token == "<|end_of_text|>"
    tokenizer = load_tokenizer(folder)
    assert response_tokens(tokenizer, "Sure.")[-1] == "<|eot_id|>"
    assert tokenizer.pad_token == "<|reserved_special_token_0|>"
    unnamed = replace(LLAMA_3, named={"bos_token": "<|begin_of_text|>"})
    assert load_tokenizer(write_published("llama-3-8b", tmp_path / "unnamed", unnamed)).eos_token == "<|eot_id|>"


@pytest.mark.parametrize("family", [LLAMA_2, MISTRAL], ids=["llama-2", "mistral"])
def test_a_base_model_begins_a_prompt_and_never_ends_it(tmp_path: Path, family: Any) -> None:
    base = replace(family, template=None, named=family.named | {"add_eos_token": True})
    tokenizer = load_tokenizer(write_published("mistral-7b", tmp_path, base))
    assert tokenizer.convert_ids_to_tokens(tokenizer("x")["input_ids"])[-1] == "</s>"
    tokens = prompt_tokens(tokenizer, ASKED)
    assert tokens[0] == "<s>" and "</s>" not in tokens
    assert tokenizer.decode(encode_prompt(tokenizer, canonical_prompt([ASKED]))) == f"<s> {ASKED['content']}\n\n"
    assert response_tokens(tokenizer, "Sure.").count("</s>") == 1
    without = replace(LLAMA_3, template=None, named={"bos_token": "<|begin_of_text|>"})
    with pytest.raises(SerError, match="no end-of-sequence token"):
        load_tokenizer(write_published("llama-3-8b", tmp_path / "without", without))


def test_a_template_that_asks_for_the_day_is_told_the_same_day_every_day(tmp_path: Path) -> None:
    template = "{% if strftime_now is defined %}Today: {{ strftime_now('%d %b %Y') }}{% endif %}" + str(
        LLAMA_3.template
    )
    tokenizer = load_tokenizer(write_published("llama-3-8b", tmp_path, replace(LLAMA_3, template=template)))
    text = tokenizer.decode(encode_prompt(tokenizer, canonical_prompt([ASKED])))
    assert text.startswith("Today: 26 Jul 2024<|begin_of_text|>")
    assert f"{datetime.date.today():%d %b %Y}" in tokenizer.apply_chat_template([ASKED], tokenize=False)


def test_spare_rows_of_an_embedding_are_no_tokens(tmp_path: Path) -> None:
    folder = write_published("qwen2.5-0.5b", tmp_path)
    assert embedding_rows(folder) == len(load_tokenizer(folder)) + 40
