"""A whole conversation in the scoring template of an export has the tokens that the reward model was trained on."""

from dataclasses import replace
from pathlib import Path

import pytest

from ser.data.encoding import encode_prompt, encode_response
from ser.data.pairs import canonical_prompt, prompt_messages
from ser.export.scoring_template import scoring_template
from ser.models.tokenizer import load_tokenizer
from tests.published import FAMILIES, LLAMA_3, MISTRAL, Family, write_published

DATED = replace(LLAMA_3, template="{{ strftime_now('%B %d, %Y') }}" + str(LLAMA_3.template))
FIRST = replace(LLAMA_3, named=LLAMA_3.named | {"eos_token": "<|end_of_text|>"})
BASE = replace(MISTRAL, template=None)
CASES: dict[str, tuple[str, Family]] = {
    **{name: (name, family) for name, family in FAMILIES.items()},
    "llama-3-8b with a date": ("llama-3-8b", DATED),
    "llama-3-8b as first published": ("llama-3-8b", FIRST),
    "a base model": ("mistral-7b", BASE),
}


@pytest.mark.parametrize("case", CASES)
def test_the_tokens_are_those_of_training(tmp_path: Path, case: str) -> None:
    tokenizer = load_tokenizer(write_published(CASES[case][0], tmp_path, CASES[case][1]))
    prompt = canonical_prompt([{"role": "user", "content": "How can I cook rice?"}])
    for reply in ("Boil water first.", "  no\n", "é"):
        expected = [*encode_prompt(tokenizer, prompt), *encode_response(tokenizer, reply)]
        chat = [*prompt_messages(prompt), {"role": "assistant", "content": reply}]
        text = tokenizer.apply_chat_template(chat, chat_template=scoring_template(tokenizer), tokenize=False)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == expected
