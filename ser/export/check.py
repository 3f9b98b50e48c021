"""Does an exported folder, loaded the way its user loads it, say what the run's model said?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from ser.data.encoding import encode_pair, encode_prompt
from ser.data.pairs import Pair, prompt_messages
from ser.errors import SerError
from ser.export.model_folder import ADAPTER, MERGED
from ser.models.adapters import load_adapter
from ser.models.backbone import DTYPES, load_model
from ser.models.reward_model import RewardModel
from ser.models.tokenizer import load_tokenizer
from ser.specs import Arithmetic

TOLERANCE = 1e-4
"""The largest difference in float32, relative to scores above 1, that the order of sums explains."""


@dataclass(frozen=True)
class Recorded:
    """A pair with the rewards that the run recorded."""

    pair: Pair
    reward_a: float
    reward_b: float


@dataclass(frozen=True)
class _Case:
    """One folder of an export: how to load it, and the scores that it must give."""

    name: str
    load: Callable[[], Any]
    expected: torch.Tensor


def check_reward_model(
    backbone: Path, adapter: Path, dtype: str, out: Path, recorded: Sequence[Recorded], max_length: int
) -> dict[str, Any]:
    """Compare the rewards of an export with our own, and with those that the run recorded.

    Returns the largest difference of each folder from our reward model, both computed in float32, so that it is a
    difference of what was trained and not of arithmetic; the largest and the root mean square difference of the
    merged model, in its own arithmetic, from what was recorded; and how many texts (`same_tokens` of `responses`)
    become, through the exported chat template and tokenizer, the tokens of the run. (A prompt that was cut, or a
    tokenizer that joins prompt and response differently, makes others.)

    Raises:
        SerError: the export is another reward model.
    """
    tokenizer, exported = load_tokenizer(backbone), AutoTokenizer.from_pretrained(out / MERGED)
    pairs = [encode_pair(tokenizer, one.pair, max_length) for one in recorded]
    sequences = [pair.prompt + response for pair in pairs for response in (pair.response_a, pair.response_b)]
    same = sum(text == tokens for text, tokens in zip(_texts(exported, recorded), sequences, strict=True))
    batch = exported.pad({"input_ids": sequences}, return_tensors="pt")

    @torch.inference_mode()
    def rewards(model: Any) -> torch.Tensor:
        rows = zip(batch["input_ids"].split(4), batch["attention_mask"].split(4), strict=True)
        return torch.cat([model(input_ids=ids, attention_mask=mask).logits[:, 0].float() for ids, mask in rows])

    def ours(dtype: str) -> torch.Tensor:
        model = RewardModel.load(backbone, adapter, Arithmetic(dtype=dtype), merged=True)
        model.classifier.score.to(DTYPES[dtype])  # as an export holds it
        model.float()
        return torch.cat([model.score([pair]).flatten() for pair in pairs])

    auto, read_at = AutoModelForSequenceClassification, {"num_labels": 1, "pad_token_id": tokenizer.pad_token_id}
    cases = (
        _Case(MERGED, lambda: auto.from_pretrained(out / MERGED, dtype=torch.float32), ours(dtype)),
        _Case(ADAPTER, lambda: _adapted(auto, backbone, out, **read_at), ours("float32")),
    )
    found = {case.name: _difference(case, rewards) for case in cases}
    then = torch.tensor([reward for one in recorded for reward in (one.reward_a, one.reward_b)])
    gap = rewards(auto.from_pretrained(out / MERGED).eval()) - then
    return {
        "pairs": len(pairs),
        "responses": len(sequences),
        "same_tokens": same,
        "pad_token_id": tokenizer.pad_token_id,
        "recorded_most": gap.abs().max().item(),
        "recorded_rms": gap.square().mean().sqrt().item(),
        **found,
    }


def check_policy(backbone: Path, adapter: Path, dtype: str, out: Path, prompts: Sequence[str]) -> dict[str, Any]:
    """Compare the next-token scores of an exported policy with our own after some canonical prompts, in float32.

    Raises:
        SerError: the export is another policy.
    """
    tokenizer = load_tokenizer(backbone)
    encoded = [torch.tensor([encode_prompt(tokenizer, prompt)]) for prompt in prompts]

    @torch.inference_mode()
    def scores(model: Any) -> torch.Tensor:
        return torch.cat([model(input_ids=tokens).logits[0, -1] for tokens in encoded])

    def ours(dtype: str) -> torch.Tensor:
        base = load_model(backbone, "causal_lm", Arithmetic(dtype=dtype))
        model: Any = load_adapter(base, adapter, "CAUSAL_LM")
        return scores(model.merge_and_unload().float())

    auto = AutoModelForCausalLM
    cases = (
        _Case(MERGED, lambda: auto.from_pretrained(out / MERGED, dtype=torch.float32), ours(dtype)),
        _Case(ADAPTER, lambda: _adapted(auto, backbone, out), ours("float32")),
    )
    return {"prompts": len(prompts), **{case.name: _difference(case, scores) for case in cases}}


def _adapted(auto: Any, backbone: Path, out: Path, **options: Any) -> Any:
    base = auto.from_pretrained(backbone, dtype=torch.float32, **options)
    return PeftModel.from_pretrained(base, out / ADAPTER)


def _difference(case: _Case, scores: Callable[[Any], torch.Tensor]) -> float:
    """The largest difference of a folder's scores from those expected."""
    found = ((scores(case.load().eval()) - case.expected).abs() / case.expected.abs().clamp(min=1)).max().item()
    if not found <= TOLERANCE:
        raise SerError(
            f"the exported {case.name} is another model than the run's: its scores differ by up to {found:.2g}, where "
            f"rounding explains {TOLERANCE:g}. Nothing was exported; please report this with the model's type."
        )
    return found


def _texts(tokenizer: Any, recorded: Sequence[Recorded]) -> Iterator[list[int]]:
    """The tokens of every response with its prompt, by the way a user of the exported folder makes them."""
    for one in recorded:
        for response in (one.pair.response_a, one.pair.response_b):
            chat = [*prompt_messages(one.pair.prompt), {"role": "assistant", "content": response}]
            text = tokenizer.apply_chat_template(chat, tokenize=False)
            yield tokenizer(text, add_special_tokens=False)["input_ids"]
