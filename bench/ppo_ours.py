"""PPO with the product, measured as `ppo_peer.py` measures the peer.

python -m bench.ppo_ours WORK.json      prints {"seconds", "peak_bytes", "episodes"}
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from ser.models.reward_model import RewardModel
from ser.ppo.policy import Policy
from ser.ppo.rollout import Episode, sigmoid_score
from ser.ppo.trainer import Trainer
from ser.progress import silent
from ser.specs import Arithmetic, Lora, Ppo

SETTINGS = ("batch_size", "minibatch_size", "epochs", "episodes", "response_tokens", "learning_rate")


def main() -> None:
    """Train on the prompts of the work file with its settings."""
    work = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(work["threads"])
    model, lora = Path(work["model"]), Lora(top=work["top"])
    arithmetic = Arithmetic(dtype=work["dtype"])
    settings = Ppo(lora=lora, **{name: work[name] for name in SETTINGS})
    with tempfile.TemporaryDirectory() as folder:
        reward_model = Path(folder) / "rm"
        RewardModel.new(model, Lora(top=work["rm_top"]), arithmetic, random_seed=0).save(reward_model)
        policy = Policy.new(model, reward_model, lora, arithmetic, random_seed=0)
        trainer = Trainer(
            policy, settings, end_token=work["end_token"], random_seed=0, score=sigmoid_score(reward_offset=0.0)
        )
        episodes = [Episode(number, str(number), tokens) for number, tokens in enumerate(work["prompts"])]
        start = time.perf_counter()
        trainer.run(episodes, Path(folder), silent)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "episodes": len(episodes)}))


if __name__ == "__main__":
    main()
