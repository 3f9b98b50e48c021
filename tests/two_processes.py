"""One of two processes of a distributed training, for its test: `python -m tests.two_processes JOB` under torchrun's
environment. JOB is a pickle that the test wrote."""

import pickle
import sys
from pathlib import Path

import torch
from transformers import TrainingArguments

from ser.models.reward_model import RewardModel
from ser.models.token_budget import TokenBudget
from ser.progress import silent
from ser.specs import Arithmetic
from ser.training import PairTrainer, train


def main(job: dict) -> None:
    """Write the gradients of one step to `out/step.pt`, then train into `out`."""
    out: Path = job["out"]
    out.mkdir(exist_ok=True)
    model = RewardModel.new(job["backbone"], job["lora"], Arithmetic(), random_seed=0)
    args = TrainingArguments(output_dir=str(out), use_cpu=True, report_to="none")
    trainer = PairTrainer(model, job["batch"], centering=0.01, budget=TokenBudget(), args=args)
    wrapped = trainer.accelerator.prepare(model)
    loss = trainer.training_step(wrapped, {"examples": job["batch"]})
    step = {
        "wrapped": type(wrapped).__name__,
        "loss": trainer.accelerator.reduce(loss, "mean"),
        "gradients": [parameter.grad for parameter in model.parameters() if parameter.grad is not None],
    }
    if trainer.is_world_process_zero():
        torch.save(step, out / "step.pt")
    model.zero_grad()
    train(model, job["examples"], job["settings"], epochs=2, random_seed=1, out=out, progress=silent)


if __name__ == "__main__":
    main(pickle.loads(Path(sys.argv[1]).read_bytes()))
