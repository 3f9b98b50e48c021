"""PPO against TRL 1.12.0: episodes a second and peak memory, each side in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import Comparison
from bench.padding import prompts
from bench.workload import Workload, model_folder
from resources.machine import Compute
from resources.settings_file import ROOT
from ser.specs import Ppo, RewardTraining

PEER = ROOT / ".venv-ppo-peer"
REQUIREMENTS = ["trl==1.12.0", "peft==0.21.2", "transformers==5.23.0", "datasets==5.2.0", "torch==2.13.0"]


def ppo(dataset: str, episodes: int, rounds: int) -> Iterator[Comparison]:
    """One rollout of `episodes`, LoRA on all layers on both sides, and ours in its default mode.

    Each round has prompts of its own, the same for all sides.
    TRL's value network is one of its own, with LoRA too; ours is a linear head on the policy's states.
    """
    python = peer_environment()
    peer = [str(python), str(ROOT / "bench" / "ppo_peer.py")]
    ours = [sys.executable, "-m", "bench.ppo_ours"]
    whole, default = {"top": 1.0, "rm_top": 1.0}, {"top": Ppo().lora.top, "rm_top": RewardTraining().lora.top}
    sides = {"TRL": (peer, {}), "ours, all layers": (ours, whole), "ours": (ours, default)}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            shared = _work(Workload(dataset, episodes, number))
            for name, (command, tops) in sides.items():
                path = Path(folder) / "work.json"
                path.write_text(json.dumps(shared | tops))
                measured = _run([*command, str(path)])
                seconds[name].append(measured["seconds"])
                peaks[name].append(measured["peak_bytes"] / 1e9)
                print(f"round {number + 1} of {rounds}: {name}: {measured}", flush=True)
    for name in ("ours, all layers", "ours"):
        mode = "LoRA on all layers" if "all" in name else "default mode"
        theirs = seconds["TRL"]
        yield Comparison(f"PPO, {mode}", dataset, "TRL 1.12.0", 2.5, 5, seconds[name], theirs, episodes)
        memory = f"PPO peak memory (GB), {mode}"
        yield Comparison(memory, dataset, "TRL 1.12.0", 0.4, 0.25, peaks[name], peaks["TRL"], None, lower=True)


def peer_environment() -> Path:
    """The interpreter of the peer's environment, which is made the first time."""
    python = PEER / "bin" / "python"
    if not (PEER / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        (PEER / ".installed").touch()
    return python


def _work(work: Workload) -> dict[str, Any]:
    settings, compute = Ppo(episodes=work.size, batch_size=work.size, epochs=2), Compute()
    return settings.model_dump(exclude={"lora"}) | {
        "model": str(model_folder()),
        "dtype": compute.arithmetic.dtype,
        "threads": compute.execution.threads,
        "end_token": work.tokenizer.eos_token_id,
        "pad_token": work.tokenizer.pad_token,
        "prompts": prompts(work),
    }


def _run(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
