"""Counting tokens where no model is loaded: at the landing."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import SerError
from ser.pairs import prompt_messages

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TokenCounter = Callable[[list[tuple[str, str, str]]], list[tuple[int, int]]]
"""(canonical prompt, response_a, response_b) to (tokens of all three, tokens of the longer response)."""

MESSAGE_TOKENS = 4
"""What a chat template adds to a message, about."""


def token_counter(tokenizer_json: Path) -> TokenCounter:
    """A counter by a `tokenizer.json`, which is read when the first pair is counted.

    A response counts with its end token, as in `ser.encoding.encode_response`; a prompt counts its contents
    and MESSAGE_TOKENS a message.

    Raises:
        SerError: at the first count, if the file is no tokenizer.
    """

    @cache
    def tokenizer() -> "Tokenizer":
        from tokenizers import Tokenizer

        try:
            loaded = Tokenizer.from_str(tokenizer_json.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises nothing narrower
            raise SerError(f"{tokenizer_json} is no tokenizer: {error}\nCheck backbone.model in ser.toml.") from error
        loaded.no_padding()
        loaded.no_truncation()
        return loaded

    def count(pairs: list[tuple[str, str, str]]) -> list[tuple[int, int]]:
        prompts = {prompt: [message["content"] for message in prompt_messages(prompt)] for prompt, _, _ in pairs}
        texts = {text for contents in prompts.values() for text in contents}
        texts.update(response for _, *responses in pairs for response in responses)
        order = list(texts)
        encodings = tokenizer().encode_batch_fast(order, add_special_tokens=False)
        lengths = {text: len(encoding) for text, encoding in zip(order, encodings, strict=True)}
        sizes = {
            prompt: sum(lengths[text] + MESSAGE_TOKENS for text in contents) for prompt, contents in prompts.items()
        }
        both = [(sizes[prompt], lengths[a] + 1, lengths[b] + 1) for prompt, a, b in pairs]
        return [(size + a + b, max(a, b)) for size, a, b in both]

    return count
