"""Tokens of conversations that a chat template refuses, and of tokenizers without a padding token."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ser.data import chat
from ser.data.encoding import EncodedPair, check_tokens, encode_prompt, encode_response
from ser.data.pairs import canonical_prompt
from ser.errors import SerError
from ser.export.model_folder import Base, write_reward_model
from ser.models.tokenizer import load_tokenizer
from tests.models import backbone_of, random_model

STRICT = """{% for m in messages -%}
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif -%}
{{ '[INST] ' + m['content'] + ' [/INST]' if m['role'] == 'user' else m['content'] + eos_token }}{% endfor %}"""
"""As those of Mistral 7B Instruct v0.1 and v0.2: no system message, and user and assistant in turn."""


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ([("user", "hi")], "[INST] hi [/INST]"),
        ([("system", "be kind"), ("user", "hi")], "[INST] be kind\n\nhi [/INST]"),
        ([("user", "hi"), ("user", "you?")], "[INST] hi\n\nyou? [/INST]"),
        ([("assistant", "hello"), ("user", "hi")], "[INST]  [/INST]hello<|end|>[INST] hi [/INST]"),
        (
            [("user", "hi"), ("assistant", "yes"), ("assistant", "no"), ("system", "now"), ("user", "what")],
            "[INST] hi [/INST]yes\n\nno<|end|>[INST] now\n\nwhat [/INST]",
        ),
    ],
)
def test_what_a_template_refuses_is_said_in_turns(
    tiny_backbone: Path, prompt: list[tuple[str, str]], text: str
) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = STRICT
    canonical = canonical_prompt([{"role": role, "content": content} for role, content in prompt])
    assert encode_prompt(tokenizer, canonical) == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_template_that_refuses_everything_names_the_conversation(tiny_backbone: Path) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = "{{ raise_exception('not today') }}"
    with pytest.raises(SerError, match=r"not today.*begins .*cook rice"):
        encode_prompt(tokenizer, canonical_prompt("cook rice"))


def test_a_template_that_does_not_end_for_one_conversation_names_it(
    tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "_SECONDS", 0.2)
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = "{% if 'rice' in messages[0].content %}" + loops + "{% endif %}{{ messages[0].content }}"
    assert encode_prompt(tokenizer, canonical_prompt("cook beans"))
    with pytest.raises(SerError, match=r"it did not end within 0\.2 seconds.*begins .*cook rice"):
        encode_prompt(tokenizer, canonical_prompt("cook rice"))
    assert signal.getsignal(signal.SIGVTALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    monkeypatch.setattr(chat, "_SECONDS", 0.01)
    with ThreadPoolExecutor(1) as threads:  # where no signal arrives
        assert threads.submit(encode_prompt, tokenizer, canonical_prompt("cook beans")).result()


def words(folder: Path, **special: str) -> Path:
    """Write a tokenizer whose words are `!` (token 0), `great` and `yes`, and that has no token for unknown ones."""
    tokenizer = Tokenizer(WordLevel({"!": 0, "great": 1, "yes": 2}, unk_token="!"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", **special).save_pretrained(folder)
    return folder


def test_padding_makes_no_word_of_a_text_special(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = words(backbone_of("gpt_neox", tiny_backbone, tmp_path / "model"), bos_token="<|begin|>")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.pad_token == "<|begin|>"
    tokenizer.save_pretrained(folder)
    ids = AutoTokenizer.from_pretrained(folder)("great ! yes")["input_ids"]
    assert load_tokenizer(folder).decode(ids, skip_special_tokens=True) == "great ! yes"


def test_without_a_token_to_pad_with_nothing_is_exported(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = words(backbone_of("gpt_neox", tiny_backbone, tmp_path / "model"))
    assert load_tokenizer(folder).pad_token is None
    random_model(folder, top=1.0).save(tmp_path / "rm")
    with pytest.raises(SerError, match=r"no special token besides <\|end\|>"):
        write_reward_model(folder, tmp_path / "rm", "float32", Base("there"), tmp_path / "out")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ messages[7]['content'] }}", r"refuses a conversation \(.*has no element 7"),
        ("{{ 1 // 0 }}", "division"),
        ("{{ messages | sum }}", "unsupported operand"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ messages | tojson | int(base=99) + 'x' }}", "refuses a conversation"),
        ("{{ 'x' * 9999999 }}", "makes 9,999,999 characters of a conversation of 39"),
    ],
)
def test_whatever_a_template_does_wrong_is_said(tiny_backbone: Path, template: str, words: str) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = template
    with pytest.raises(SerError, match=words) as error:
        encode_prompt(tokenizer, canonical_prompt("cook rice"))
    assert "Mend chat_template" in str(error.value) and len(str(error.value).splitlines()) == 2


class PanicException(BaseException):
    """As the tokenizers' own, which derives from no ordinary error."""


def test_a_panic_of_the_tokenizer_is_said_and_an_interrupt_is_not(tiny_backbone: Path) -> None:
    class Broken:
        chat_template, eos_token_id = None, 2

        def __init__(self, error: BaseException):
            self.error = error

        def __call__(self, text: str, add_special_tokens: bool) -> None:
            raise self.error

    for failure in (PanicException("index out of bounds"), ValueError("index out of bounds")):
        with pytest.raises(SerError, match=r"tokenizer fails \(index out of bounds\) at a text that begins 'rice"):
            encode_response(Broken(failure), "rice")  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        encode_response(Broken(KeyboardInterrupt()), "rice")  # type: ignore[arg-type]


def test_a_token_that_the_model_has_no_row_for_is_named() -> None:
    check_tokens(EncodedPair("x", [1, 2], [3], []), 4)
    with pytest.raises(SerError, match="pair x has token 3, and the backbone's embedding has 3 rows"):
        check_tokens(EncodedPair("x", [1, 2], [3], []), 3)
