"""Under the exported template a scored conversation is the run's own tokens; every other one is as it was."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.encoding import encode_prompt, encode_response
from ser.data.pairs import canonical_prompt
from ser.export.scoring_template import scoring_template
from ser.models.tokenizer import load_tokenizer

LLAMA_3 = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Be brief." %}
{%- endif %}
{{- "<|start|>system\\n\\n" + system_message + "<|end|>" }}
{%- for message in messages %}
    {{- '<|start|>' + message['role'] + '\\n\\n'+ message['content'] | trim + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant\\n\\n' }}
{%- endif %}
"""
MACRO = """\

{% macro turn(role, text) %}[{{ role }}:{{ messages | length }}] {{ text }}{% endmacro %}
{% for m in messages %}
  {{ turn(m['role'], m['content']) }}
{% endfor %}
{% if add_generation_prompt %}
  [assistant]
{% endif %}
 tail
"""
CHATML = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def tokenizer(tiny_backbone: Path) -> Any:
    return load_tokenizer(tiny_backbone)


@pytest.mark.parametrize("template", [CHATML, LLAMA_3, MACRO, CHATML + "\n", "  {{ messages[-1]['content'] }}"])
@given(contents=st.lists(TEXTS, min_size=1, max_size=2), reply=TEXTS, system=st.booleans())
def test_only_a_scored_conversation_changes(
    tokenizer: Any, template: str, contents: list[str], reply: str, system: bool
) -> None:
    prompt = [{"role": "system", "content": "Now."}] if system else []
    for number, text in enumerate(contents):
        prompt += [{"role": "assistant", "content": "yes"}] if number else []
        prompt += [{"role": "user", "content": text}]
    tokenizer.chat_template = template
    scoring = scoring_template(tokenizer)

    def render(chat: list[dict[str, str]], with_template: str, **options: Any) -> str:
        return tokenizer.apply_chat_template(chat, chat_template=with_template, tokenize=False, **options)

    opened = render(prompt, template, add_generation_prompt=True)
    assert render([*prompt, {"role": "assistant", "content": reply}], scoring) == opened + reply + "<|end|>"
    assert render(prompt, scoring) == render(prompt, template)
    assert render(prompt, scoring, add_generation_prompt=True) == opened


@pytest.mark.parametrize("template", [CHATML, None])
def test_its_tokens_are_those_of_the_run(tiny_backbone: Path, template: str | None) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = template
    prompt, reply = canonical_prompt("\n\nHuman: cook rice\n\nAssistant: sure\n\nHuman: how?"), "boil water 3"
    run = encode_prompt(tokenizer, prompt) + encode_response(tokenizer, reply)
    chat = [*({"role": role, "content": text} for role, text in TURNS), {"role": "assistant", "content": reply}]
    tokenizer.chat_template = scoring_template(tokenizer)
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    assert text.endswith("boil water 3<|end|>")
    if template is None:
        assert text == "cook rice\n\nsure\n\nhow?\n\nboil water 3<|end|>"
    assert tokenizer.decode(run) == tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"])
    if template is not None:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == run


TURNS = [("user", "cook rice"), ("assistant", "sure"), ("user", "how?")]
