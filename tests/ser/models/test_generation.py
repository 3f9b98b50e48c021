from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from ser.models import decoding, generation
from ser.models.backbone import load_model
from ser.models.decoding import Decoder, draw
from ser.models.generation import generate, stream
from ser.specs import Arithmetic

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [20, 21], [30, 31, 32, 33]]


@pytest.fixture(scope="module", params=["grouped", "sdpa", "varlen"])
def model(tiny_backbone: Path, request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.set_num_threads(1)
    model = load_model(tiny_backbone, "causal_lm", Arithmetic(attention=request.param))
    for parameter in model.parameters():  # far from uniform, so that wrong positions or masks would show
        parameter.data.mul_(1.5)
    return model


def draws(*seeds: int, steps: int = 12) -> torch.Tensor:
    return torch.stack([torch.rand(steps, generator=stream(0, seed), dtype=torch.float64) for seed in seeds])


def plain_pass(model: PreTrainedModel, prompt: list[int], response: list[int], temperature: float) -> torch.Tensor:
    """Log-probabilities [T, V] from which a response was drawn, without padding, cache or batch."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0] / temperature
    return torch.log_softmax(logits[len(prompt) - 1 : -1], -1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_tokens_are_drawn_from_the_distribution_of_a_plain_pass(model: PreTrainedModel, temperature: float) -> None:
    chances = draws(1, 2, 3)
    result = generate(Decoder(model), PROMPTS, 12, 2, temperature, chances)
    for prompt, response, chance in zip(PROMPTS, result.responses, chances, strict=True):
        expected = draw(plain_pass(model, prompt, response, temperature), chance[: len(response)])
        assert response == expected.tolist()


def test_a_response_does_not_depend_on_its_batch_or_on_global_state(model: PreTrainedModel) -> None:
    together = generate(Decoder(model), PROMPTS, 12, 2, draws=draws(1, 2, 3))
    torch.manual_seed(99)
    for row, prompt in enumerate(PROMPTS):
        single = generate(Decoder(model), [prompt], 12, 2, draws=draws(row + 1))
        assert single.responses == [together.responses[row]]
    assert generate(Decoder(model), PROMPTS, 12, 2, draws=draws(4, 5, 6)).responses != together.responses


def test_one_decoder_serves_batches_of_any_size_and_kind(model: PreTrainedModel) -> None:
    decoder = Decoder(model)
    for prompts, steps in ((PROMPTS, 12), (PROMPTS[:1], 3), ([[9] * 70, *PROMPTS, [8] * 3], 20)):
        for chances in (None, draws(*range(len(prompts)), steps=steps)):
            again = generate(decoder, prompts, steps, 2, 0.9, chances)
            assert again == generate(Decoder(model), prompts, steps, 2, 0.9, chances)
    assert generate(decoder, PROMPTS, 3, 2, draws=draws(1, 2, 3)) == generate(
        decoder, PROMPTS, 3, 2, draws=draws(1, 2, 3, steps=3)
    )


def test_rows_beyond_the_prompts_and_rare_looks_change_nothing(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [[3 + row, 40 + row, 7] for row in range(11)]
    chances = draws(*range(11), steps=20)
    ends = generate(Decoder(model), prompts, 20, -1, draws=chances).responses
    end = max(range(600), key=lambda token: sum(token in one for one in ends))  # the token that ends most of them
    wanted = generate(Decoder(model), prompts, 20, end, draws=chances)
    assert sum(wanted.finished) > 2 and len({len(one) for one in wanted.responses}) > 2
    kept: list[int] = []
    keep = Decoder.keep
    monkeypatch.setattr(Decoder, "keep", lambda decoder, rows: kept.append(len(rows)) or keep(decoder, rows))
    monkeypatch.setattr(Decoder, "rows_for", lambda decoder, sequences: 1 << (sequences - 1).bit_length())
    monkeypatch.setitem(generation._LOOK_EVERY, "cpu", 4)
    assert generate(Decoder(model), prompts, 20, end, draws=chances) == wanted
    assert kept and all(rows in (1, 2, 4, 8) for rows in kept)


def test_prompts_may_pass_in_parts(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, chances = [[5 + row] * (3 + row) for row in range(12)], draws(*range(12))
    wanted = generate(Decoder(model), prompts, 12, 2, draws=chances)
    sizes: list[int] = []
    real = decoding.read_prompts
    monkeypatch.setattr(decoding, "read_prompts", lambda *args: sizes.append(len(args[1])) or real(*args))
    monkeypatch.setattr(decoding, "MOST_TOKENS", 13)
    assert generate(Decoder(model), prompts, 12, 2, draws=chances) == wanted
    assert sizes == [3, 2, *[1] * 7]


def test_without_memory_for_all_fewer_are_continued_at_once(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, chances = [[5 + row] * (3 + row) for row in range(40)], draws(*range(40))
    wanted = generate(Decoder(model), prompts, 12, 2, draws=chances)
    begun: list[int] = []
    begin = Decoder.begin

    def limited(decoder: Decoder, some: list[list[int]], *more: Any) -> None:
        begun.append(len(some))
        if len(some) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        begin(decoder, some, *more)

    monkeypatch.setattr(Decoder, "begin", limited)
    with pytest.warns(UserWarning, match="on with 1,024 tokens"):
        assert generate(Decoder(model), prompts, 12, 2, draws=chances) == wanted
    assert max(begun) > 20 >= max(begun[-3:])


def test_rows_beyond_the_prompts_fit_into_the_room_too(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "rows_for", lambda decoder, sequences: 1 << (sequences - 1).bit_length())
    prompts, chances = [[3 + row, *[7] * 99] for row in range(9)], draws(*range(9), steps=20)
    wanted = generate(Decoder(model), prompts, 20, -1, draws=chances)
    decoder = Decoder(model)
    decoder.room = decoder.capacity = 10 * 120  # for the nine, and not for the sixteen rows of a graph
    assert generate(decoder, prompts, 20, -1, draws=chances) == wanted
    assert decoder._rows == 8


def test_batches_of_similar_length_change_nothing(model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    together = generate(Decoder(model), PROMPTS, 12, 2, draws=draws(1, 2, 3))
    monkeypatch.setattr("ser.models.generation.plan", lambda lengths, tokens: [[2, 1], [0]])
    apart = generate(Decoder(model), PROMPTS, 12, 2, draws=draws(1, 2, 3))
    assert apart.responses == together.responses and apart.finished == together.finished


def test_greedy_takes_the_likeliest_token(model: PreTrainedModel) -> None:
    result = generate(Decoder(model), PROMPTS, 6, 2)
    for prompt, response in zip(PROMPTS, result.responses, strict=True):
        tokens = list(prompt)
        for token in response:
            with torch.no_grad():
                assert model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax() == token
            tokens.append(token)


def test_a_finished_response_stops_and_the_others_go_on(model: PreTrainedModel) -> None:
    free = generate(Decoder(model), PROMPTS, 12, -1, draws=draws(1, 2, 3))
    end = free.responses[0][3]  # pretend that what row 0 says fourth is the end token
    result = generate(Decoder(model), PROMPTS, 12, end, draws=draws(1, 2, 3))
    stop = free.responses[0].index(end) + 1
    assert result.responses[0] == free.responses[0][:stop] and result.finished[0]
    for row in (1, 2):
        whole = free.responses[row]
        expected = whole[: whole.index(end) + 1] if end in whole else whole
        assert result.responses[row] == expected and result.finished[row] == (end in whole)
    assert len(free.responses[0]) == 12 and not any(free.finished)


def test_draws_are_the_inverse_of_the_cumulative_distribution() -> None:
    logprobs = torch.log(torch.tensor([[0.0, 0.25, 0.5, 0.25]])).expand(5, -1)
    chances = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.9999], dtype=torch.float64)
    assert draw(logprobs, chances).tolist() == [1, 1, 2, 2, 3]


def test_streams_differ_by_every_part() -> None:
    seeds = {stream(*parts).initial_seed() for parts in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2)]}
    assert len(seeds) == 4 and stream(0, "a", 1).initial_seed() == stream(0, "a", 1).initial_seed()
