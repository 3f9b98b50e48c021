"""A chat template under which a whole conversation ends where its reward is read."""

from transformers import PreTrainedTokenizerBase

from ser.data.chat import dated, render_prompt
from ser.data.encoding import begins_every_text, encode_prompt, encode_response
from ser.data.pairs import canonical_prompt

_OPENING = """\
{%- if messages[-1]['role'] == 'assistant' and not add_generation_prompt %}
{% set scored_reply = messages[-1]['content'] %}
{% set messages = messages[:-1] %}
{% set add_generation_prompt = true %}
{% endif %}
"""
_CLOSING = "{{ '' }}{% if scored_reply is defined %}{{ LEAD + scored_reply + eos_token }}{% endif %}"
_LEADS = {"''": ("", ""), "' '": (" ", " "), "('' if scored_reply[:1] == ' ' else ' ')": (" ", "")}
"""What may have to stand between a prompt and a response, and what that is before a letter and before a space."""

_PLAIN = "{% for message in messages %}{{ message['content'] + '\\n\\n' }}{% endfor %}"


def scoring_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokenizer's chat template, changed only for conversations that end with the assistant.

    Such a conversation is what `ser.data.encoding` makes of pairs: the prompt up to where the assistant begins, the
    response, the end token, and nothing after it. Most templates of their own go on after the end token, if only by a
    line break, and a sequence classifier would read the reward there.
    """
    if tokenizer.chat_template is None:
        template = ("{{ bos_token }}" if begins_every_text(tokenizer) else "") + _PLAIN
    else:
        template = dated(tokenizer.get_chat_template())
    # Jinja drops one line break at the end of a template, which is no longer its end.
    return _OPENING + template.removesuffix("\n") + _CLOSING.replace("LEAD", _lead(tokenizer))


def _lead(tokenizer: PreTrainedTokenizerBase) -> str:
    """The first of `_LEADS` with which a whole conversation has the tokens of its prompt and of its response.

    A tokenizer of SentencePiece begins each text with a space, and a response in the middle of a text with none.
    """
    prompt = canonical_prompt("What somebody asks.")
    before, tokens = render_prompt(tokenizer, prompt), encode_prompt(tokenizer, prompt)
    if tokenizer.chat_template is None and begins_every_text(tokenizer):
        before = f"{tokenizer.bos_token}{before}"

    def fits(lead: str, reply: str) -> bool:
        whole = tokenizer(f"{before}{lead}{reply}{tokenizer.eos_token}", add_special_tokens=False)["input_ids"]
        return whole == [*tokens, *encode_response(tokenizer, reply)]

    replies = ("Somebody says this.", " Somebody says this.")
    fitting = (text for text, leads in _LEADS.items() if all(map(fits, leads, replies)))
    return next(fitting, "''")
