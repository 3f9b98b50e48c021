"""Text that is already in a chat template is parsed or refused, never nested."""

import pytest

from tests.resources.shapes.reading import Pair, pairs_of, reader_of

BRIEF = [("system", "Brief."), ("user", "Best soup?")]

TEMPLATES = {
    "ChatML": (
        "<|im_start|>system\nBrief.<|im_end|>\n<|im_start|>user\nBest soup?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>",
    ),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBrief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBest soup?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "Llama 2": ("<s>[INST] <<SYS>>\nBrief.\n<</SYS>>\n\nBest soup? [/INST] ", "</s>"),
    "Zephyr": ("<|system|>\nBrief.</s>\n<|user|>\nBest soup?</s>\n<|assistant|>\n", "</s>"),
    "Phi": ("<|system|>\nBrief.<|end|>\n<|user|>\nBest soup?<|end|>\n<|assistant|>\n", "<|end|>\n<|endoftext|>"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_parsed_into_messages(name: str) -> None:
    prompt, end = TEMPLATES[name]
    expected = [Pair(BRIEF, "Lentil.", "No idea.")]
    texts = {"chosen": f"Lentil.{end}", "rejected": f"No idea.{end}\n"}
    assert pairs_of({"prompt": prompt, **texts}) == expected
    whole = {name: prompt + text for name, text in texts.items()}
    assert pairs_of(whole) == expected
    assert pairs_of({"prompt": prompt, **whole}) == expected


def test_gemma_and_earlier_turns() -> None:
    prompt = (
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"
        "<start_of_turn>user\nBest soup?<end_of_turn>\n<start_of_turn>model\n"
    )
    turns = [("user", "Hi"), ("assistant", "Hello"), ("user", "Best soup?")]
    row = {"prompt": prompt, "chosen": "Lentil.<end_of_turn>", "rejected": "No idea.<eos>"}
    assert pairs_of(row) == [Pair(turns, "Lentil.", "No idea.")]
    mistral = "<s>[INST] Hi [/INST] Hello</s>[INST] Best soup? [/INST]"
    assert pairs_of(row | {"prompt": mistral}) == [Pair(turns, "Lentil.", "No idea.")]


def test_what_was_taken_off_is_counted() -> None:
    reader, _ = reader_of(
        {"prompt": "[INST] Cake? [/INST]", "chosen": "Yes.", "rejected": "No."},
        {"prompt": "Tea?", "chosen": "Mint.</s>", "rejected": "Green.</s>"},
    )
    assert reader.notes == {
        "text in a chat template was parsed into messages": 1,
        "tokens that end a turn were taken off the end of responses": 1,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Read this: <|im_start|>user\nHi<|im_end|>",
        "x <|start_header_id|>user<|end_header_id|> y",
        "so\n<|user|>\nHi",
        "x <start_of_turn>user\nHi",
        "He wrote [INST] Hi [/INST] there",
    ],
)
@pytest.mark.parametrize("column", ["prompt", "chosen"])
def test_turns_of_a_template_inside_a_text_are_refused(text: str, column: str) -> None:
    row = {"prompt": "Best soup?", "chosen": "Lentil.", "rejected": "No idea.", column: text}
    (found,) = pairs_of(row)
    assert isinstance(found, str) and found.startswith("turns of a chat template inside a text")
    listed = row | {"prompt": [{"role": "user", "content": row["prompt"]}]}
    assert pairs_of(listed) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "HTML strikes out with <s>text</s>",
        "the token <|endoftext|> ends a document",
        "print('<|im_end|>') is code",
        "a list: [INST, x]",
        "in F# one writes x <| f y",
        "<user> hello",
    ],
)
def test_what_is_no_template_stays_text(text: str) -> None:
    row = {"prompt": text, "chosen": f"1 {text}", "rejected": f"2 {text}"}
    assert pairs_of(row) == [Pair(text, f"1 {text}", f"2 {text}")]
