"""Prompts with their responses as one batch of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ser.data.batches import plan


@dataclass
class Sequences:
    """`B` prompts, each followed by its response, padded on the right to `L` tokens.

    An unfinished response is followed by an end token, so that its reward can be read as the reward model
    learnt it; that token is no action of the policy and is not part of the response.

    Attributes:
        input_ids: [B, L] token ids.
        prompts: [B] tokens of each prompt.
        responses: [B] tokens of each response; at most `T`.
        ends: [B] column of the end token, where the reward is read.
    """

    input_ids: torch.Tensor
    prompts: torch.Tensor
    responses: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def join(
        cls,
        prompts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]],
        end_token: int,
        device: torch.device | str,
    ) -> "Sequences":
        """The batch of `prompts` and `responses`; a finished response has `end_token` as its last token."""
        whole = []
        for prompt, response in zip(prompts, responses, strict=True):
            closed = response if response[-1] == end_token else [*response, end_token]
            whole.append([*prompt, *closed])
        input_ids = torch.zeros(len(whole), max(map(len, whole)), dtype=torch.long)
        for row, tokens in enumerate(whole):
            input_ids[row, : len(tokens)] = torch.tensor(tokens)
        return cls(
            input_ids.to(device),
            torch.tensor([len(prompt) for prompt in prompts], device=device),
            torch.tensor([len(response) for response in responses], device=device),
            torch.tensor([len(tokens) - 1 for tokens in whole], device=device),
        )

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def mask(self) -> torch.Tensor:
        """[B, T] True on the tokens of a response."""
        return self._steps < self.responses[:, None]

    @property
    def tokens(self) -> torch.Tensor:
        """[B, T] the response tokens; 0 after the end."""
        return self.input_ids.gather(1, self._column(self.prompts)).masked_fill(~self.mask, 0)

    @property
    def before(self) -> torch.Tensor:
        """[B, T] the column from whose state each response token is predicted: the one before it."""
        return self._column(self.prompts - 1)

    def rows(self, index: torch.Tensor) -> "Sequences":
        """Some of the sequences, with the padding that only the others needed cut off."""
        ends = self.ends[index]
        length = int(ends.max()) + 1
        return Sequences(self.input_ids[index, :length], self.prompts[index], self.responses[index], ends)

    def parts(self, tokens: int) -> list[torch.Tensor]:
        """The rows in groups of similar length, each within so many padded tokens."""
        lengths = [(end + 1, f"{row:09}") for row, end in enumerate(self.ends.tolist())]
        return [torch.tensor(rows, device=self.ends.device) for rows in plan(lengths, tokens)]

    @property
    def _steps(self) -> torch.Tensor:
        return torch.arange(int(self.responses.max()), device=self.input_ids.device)[None]

    def _column(self, first: torch.Tensor) -> torch.Tensor:
        return (first[:, None] + self._steps).clamp(max=self.input_ids.shape[1] - 1)
