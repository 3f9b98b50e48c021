"""Counting tokens without a model."""

from pathlib import Path

import pytest

from resources.landing.token_counts import MESSAGE_TOKENS, token_counter
from ser.errors import SerError
from ser.pairs import Pair, canonical_prompt


def test_responses_are_counted_as_the_stages_count_them(tiny_backbone: Path):
    from transformers import AutoTokenizer

    from ser.encoding import encode_pair

    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    prompts = ["please help", "\n\nHuman: how\n\nAssistant: add water\n\nHuman: and then?\n\nAssistant:"]
    pairs = [(canonical_prompt(prompt), "boil the rice", f"cannot {'know ' * 9}é") for prompt in prompts]
    counted = token_counter(tiny_backbone / "tokenizer.json")(pairs)
    for (prompt, a, b), (tokens, longest), messages in zip(pairs, counted, (1, 3), strict=True):
        encoded = encode_pair(tokenizer, Pair("x", prompt, a, b), 512)
        assert longest == max(len(encoded.response_a), len(encoded.response_b))
        responses = len(encoded.response_a) + len(encoded.response_b)
        contents = tokens - responses - MESSAGE_TOKENS * messages
        assert 0 < contents <= len(encoded.prompt)
    assert token_counter(tiny_backbone / "tokenizer.json")([]) == []


def test_a_file_that_is_no_tokenizer_is_a_plain_error(tmp_path: Path):
    counter = token_counter(tmp_path / "tokenizer.json")
    with pytest.raises(SerError, match="is no tokenizer"):
        counter([(canonical_prompt("x"), "a", "b")])
