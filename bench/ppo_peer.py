"""PPO with TRL 1.12.0, the last release that had it; runs in an environment of its own, without our packages.

python bench/ppo_peer.py WORK.json      prints {"seconds", "peak_bytes", "episodes"}
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, inject_adapter_in_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl.experimental.ppo import PPOConfig, PPOTrainer

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    """Train on the prompts of the work file with its settings."""
    work = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(work["threads"])
    dtype = getattr(torch, work["dtype"])
    tokenizer = AutoTokenizer.from_pretrained(work["model"], padding_side="left")
    tokenizer.pad_token = work["pad_token"]

    def lora(task: str) -> LoraConfig:
        return LoraConfig(task_type=task, r=16, lora_alpha=32, target_modules=TARGETS)

    def classifier():
        model = AutoModelForSequenceClassification.from_pretrained(work["model"], num_labels=1, dtype=dtype)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model

    # `peft_config` adapts the policy only. Without this the value network, which is one of its own, trains whole.
    value = inject_adapter_in_model(lora("SEQ_CLS"), classifier())
    value.score.requires_grad_(True)

    args = PPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=work["batch_size"],
        num_mini_batches=work["batch_size"] // work["minibatch_size"],
        num_ppo_epochs=work["epochs"],
        total_episodes=work["episodes"],
        response_length=work["response_tokens"],
        temperature=1.0,
        stop_token="eos",
        learning_rate=work["learning_rate"],
        kl_coef=0.2,
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=work["dtype"] == "bfloat16",
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = PPOTrainer(
        args=args,
        processing_class=tokenizer,
        model=AutoModelForCausalLM.from_pretrained(work["model"], dtype=dtype),
        ref_model=None,
        reward_model=classifier(),
        value_model=value,
        train_dataset=Dataset.from_list([{"input_ids": tokens} for tokens in work["prompts"]]),
        eval_dataset=Dataset.from_list([{"input_ids": work["prompts"][0]}]),
        peft_config=lora("CAUSAL_LM"),
    )
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "episodes": work["episodes"]}))


if __name__ == "__main__":
    main()
