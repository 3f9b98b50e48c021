"""The work as the product does it, called as its stages call it."""

import shutil
import tempfile
from pathlib import Path

from bench.workload import MAX_LENGTH, Workload, model_folder
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import encode_pair
from ser.data.pairs import hard_target
from ser.models.reward_model import RewardModel, load_to_score
from ser.models.scoring import score
from ser.models.states.disk import StatesCache
from ser.models.states.pairs import PairStates
from ser.models.states.writing import write_states
from ser.progress import silent
from ser.specs import Arithmetic, Lora, RewardTraining
from ser.training import Example, train


def with_states(model: RewardModel, folder: Path, arithmetic: Arithmetic) -> PairStates:
    """The pairs of a folder that holds tokens and states."""
    encoded = folder / ENCODED_NAME
    return PairStates(encoded, StatesCache.open(folder, encoded, model.trunk, arithmetic))


class Scoring:
    """Scores the pairs of `work` with a saved reward model, through the cached trunk."""

    def __init__(self, work: Workload, dtype: str, folder: Path):
        self._work, self._folder, self._arithmetic = work, folder, Arithmetic(dtype=dtype)
        fresh = RewardModel.new(model_folder(), RewardTraining().lora, self._arithmetic, random_seed=0)
        fresh.save(folder / "rm")
        self._model = load_to_score(model_folder(), folder / "rm", self._arithmetic)

    def first(self) -> list[float]:
        """A loop's first pass: tokens, the states after the trunk written to disk, and the rewards."""
        tokenizer, out = self._work.tokenizer, self._folder / "states"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        pairs = [encode_pair(tokenizer, row.pair, MAX_LENGTH) for row in self._work.rows]
        write_encoded(pairs, out)
        write_states(self._model, out / ENCODED_NAME, out, self._arithmetic)
        return self.later()

    def later(self) -> list[float]:
        """A later loop: the states are known."""
        states = with_states(self._model, self._folder / "states", self._arithmetic)
        rewards = {one.pair_id: (one.reward_a, one.reward_b) for one in score(self._model, states)}
        return [reward for row in self._work.rows for reward in rewards[row.pair.pair_id]]


class Training:
    """One epoch of the product's training over the pairs of a round of `work`, from a fixed start."""

    def __init__(self, work: Workload, dtype: str, top: float, folder: Path):
        self.settings = RewardTraining(lora=Lora(top=top))
        self._arithmetic = Arithmetic(dtype=dtype)
        self._work, self._folder, self.start = work, folder, folder / "start"
        RewardModel.new(model_folder(), self.settings.lora, self._arithmetic, random_seed=0).save(self.start)

    def prepare(self, number: int = 0) -> None:
        """Load the model, and compute the states of the round's pairs unless they are known."""
        self._model = RewardModel.load(model_folder(), self.start, self._arithmetic, trainable=True)
        self._examples = self._with_states(self._work.of_round(number))

    def _with_states(self, work: Workload) -> list[Example]:
        folder = self._folder / f"states_{work.round}"
        folder.mkdir(parents=True, exist_ok=True)
        write_encoded(work.encoded, folder)
        write_states(self._model, folder / ENCODED_NAME, folder, self._arithmetic)
        known = {item.pair.pair_id: item for item in with_states(self._model, folder, self._arithmetic).pairs()}
        # The order of the rows is that of the peer, so that both see the same pairs in every step.
        return [Example(known[row.pair.pair_id], hard_target(row.preferred or "a")) for row in work.rows]

    def run(self) -> list[float]:
        """The loss of every step."""
        with tempfile.TemporaryDirectory() as folder:
            result = train(
                self._model,
                self._examples,
                self.settings,
                epochs=1,
                random_seed=0,
                out=Path(folder),
                progress=silent,
            )
        return result["loss"]
