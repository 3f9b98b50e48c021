"""Stage: the base model's own responses to the judged prompts, with which every policy over it is compared."""

from pathlib import Path

import pyarrow as pa

from ser.data import tables
from ser.progress import Progress
from ser.specs import HERE, Encoding, Execution, ModelSpec
from ser.stages.job import Inputs, Summary


class BaseResponsesSpec(ModelSpec):
    """What the responses depend on besides the model and the test prompts; `random_seed` decides which are judged."""

    prompts: int
    encoding: Encoding
    response_tokens: int
    random_seed: int


class BaseResponsesInputs(Inputs):
    """Model folder, and the labelled test table."""

    backbone: Path
    test: Path


class BaseResponsesSummary(Summary):
    """How many prompts were answered."""

    n: int


RESPONSES_NAME = "responses.parquet"
RESPONSES = pa.schema([("pair_id", pa.string()), ("response", pa.list_(pa.int32()))])


def run(
    spec: BaseResponsesSpec, inputs: BaseResponsesInputs, out: Path, progress: Progress, execution: Execution = HERE
) -> BaseResponsesSummary:
    """Write `responses.parquet`: the greedy response to each prompt, as tokens, in the order of pair_id.

    Raises:
        SerError: there is no test prompt.
    """
    from ser.models.backbone import load_model
    from ser.models.tokenizer import load_tokenizer
    from ser.ppo.judging import greedy_responses, judged_prompts

    tokenizer = load_tokenizer(inputs.backbone)
    judged = judged_prompts(
        inputs.test, tokenizer, spec.prompts, spec.random_seed, spec.response_tokens, spec.encoding.max_length
    )
    model = load_model(inputs.backbone, "causal_lm", spec.arithmetic)
    responses = greedy_responses(model, judged.tokens, spec.response_tokens, tokenizer.eos_token_id, out, progress)
    rows = [
        {"pair_id": prompt.pair_id, "response": response}
        for prompt, response in zip(judged.prompts, responses, strict=True)
    ]
    return BaseResponsesSummary(
        n=tables.write(out / RESPONSES_NAME, RESPONSES, sorted(rows, key=lambda row: str(row["pair_id"])))
    )
