"""Stage: the embedded model, SmolLM2-135M-Instruct, from its 4-bit GGUF file to a safetensors folder."""

import json
from pathlib import Path

from ser.progress import Progress
from ser.specs import HERE, Execution, Spec
from ser.stages.job import Inputs, Summary


class EmbeddedBackboneSpec(Spec):
    """Nothing to choose."""


class EmbeddedBackboneInputs(Inputs):
    """The quantised file."""

    gguf: Path


class EmbeddedBackboneSummary(Summary):
    """The model's size."""

    parameters: int
    layers: int


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The model's own chat format without the system message that its template adds: 21 tokens that are the same in
every pair, a quarter of a short one."""


def run(
    spec: EmbeddedBackboneSpec,
    inputs: EmbeddedBackboneInputs,
    out: Path,
    progress: Progress,
    execution: Execution = HERE,
) -> EmbeddedBackboneSummary:
    """Dequantise `inputs.gguf` into `out/model` and check that the embedding is still tied to the head."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    gguf = inputs.gguf
    progress(0, 1, "models", "reading the embedded model, about half a minute")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = quantised.config
    # transformers refuses to save what it thinks is still quantised; the weights are plain tensors by now.
    del config.quantization_config
    config._name_or_path = ""
    model = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    if model.get_input_embeddings().weight is not model.get_output_embeddings().weight:
        raise ValueError(f"the head of {gguf.name} is no longer its embedding: its state dict was read apart")
    # The model was released in bfloat16: what dequantising adds below that precision is not information.
    model.bfloat16().save_pretrained(out / "model")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(out / "model")
    _forget_origin(out / "model" / "tokenizer_config.json")
    progress(1, 1, "models")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return EmbeddedBackboneSummary(parameters=parameters, layers=config.num_hidden_layers)


def _forget_origin(path: Path) -> None:
    """Drop the folder that the tokenizer was read from: equal models have equal bytes everywhere."""
    config = json.loads(path.read_text())
    config.pop("name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
