"""A chat template under which a whole conversation ends where its reward is read."""

from transformers import PreTrainedTokenizerBase

_OPENING = """\
{%- if messages[-1]['role'] == 'assistant' and not add_generation_prompt %}
{% set scored_reply = messages[-1]['content'] %}
{% set messages = messages[:-1] %}
{% set add_generation_prompt = true %}
{% endif %}
"""
_CLOSING = "{{ '' }}{% if scored_reply is defined %}{{ scored_reply + eos_token }}{% endif %}"
_PLAIN = "{% for message in messages %}{{ message['content'] + '\\n\\n' }}{% endfor %}"


def scoring_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokenizer's chat template, changed only for conversations that end with the assistant.

    Such a conversation is what `ser.data.encoding` makes of pairs: the prompt up to where the assistant begins, the
    response, the end token, and nothing after it. Most templates of their own go on after the end token, if only by a
    line break, and a sequence classifier would read the reward there.
    """
    if tokenizer.chat_template is None:
        starts = tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
        template = ("{{ bos_token }}" if starts else "") + _PLAIN
    else:
        template = tokenizer.get_chat_template()
    # Jinja drops one line break at the end of a template, which is no longer its end.
    return _OPENING + template.removesuffix("\n") + _CLOSING
