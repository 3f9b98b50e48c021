"""The parameters that come out are those that were published."""

import json
from pathlib import Path

import pytest

from ser.errors import SerError
from ser.planning.model_size import count_parameters
from ser.planning.shape import ModelShape
from ser.specs import Lora

PRESETS = Path(__file__).parents[3] / "resources" / "presets"
PUBLISHED = {
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-2-13b": 13_015_864_320,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768,
    "smollm2-135m": 134_515_008,
}


def config_of(preset: str) -> dict[str, object]:
    return json.loads((PRESETS / f"{preset}.config.json").read_text())


@pytest.mark.parametrize("preset", PUBLISHED)
def test_parameters_of_the_published_configurations(preset: str) -> None:
    assert count_parameters(config_of(preset)) == PUBLISHED[preset]


@pytest.mark.parametrize("preset", PUBLISHED)
def test_linear_layers_and_embeddings_are_all_but_norms_and_biases(preset: str) -> None:
    shape = ModelShape.from_config(config_of(preset))
    counted = shape.layers * shape.layer_parameters + (1 if shape.tied else 2) * shape.embedding_parameters
    assert counted < PUBLISHED[preset] < 1.001 * counted


def test_an_adapter_has_as_many_parameters_as_peft_makes() -> None:
    shape = ModelShape.from_config(config_of("llama-3-8b"))
    # r = 8 on all linear layers: 20,971,520, as PEFT prints it for this model.
    assert shape.adapter_parameters(Lora(r=8, top=1.0)) == 20_971_520
    assert shape.adapter_parameters(Lora(r=8, top=0.5)) == 20_971_520 // 2


def test_a_configuration_of_another_family_is_refused() -> None:
    with pytest.raises(SerError, match="not proven for model type 'gpt2'"):
        ModelShape.from_config({"model_type": "gpt2"})
    with pytest.raises(SerError, match="no intermediate_size"):
        ModelShape.from_config(
            {"model_type": "llama", "num_attention_heads": 2, "hidden_size": 8, "num_hidden_layers": 1}
        )
