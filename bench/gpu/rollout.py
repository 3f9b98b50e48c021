"""The section on rollouts: our decoder against transformers' `generate`."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.gpu.bench import Bench
from bench.gpu.ours import Generation
from bench.gpu.peers import PlainGeneration
from bench.gpu.workload import decoding_flops, prompts
from ser.specs import Ppo

WORK = "rollout, 64 prompts"
_LONGEST_PROMPT = 256


def rollout(bench: Bench) -> None:
    """Sampled responses of 64 tokens to 64 prompts, by an untrained policy and by the network without an adapter."""
    network, tokens = bench.network, bench.size(64, 4)
    given = prompts(bench.size(64, 4), _LONGEST_PROMPT, network.shape)
    with_peft, own = network.policies(Ppo().lora)
    plain = network.language_model(network.peer())
    ours = Generation(own, given, tokens)
    peers = {
        "transformers, the same policy": PlainGeneration(with_peft, given, tokens),
        "transformers, no adapter": PlainGeneration(plain, given, tokens),
    }
    jobs: dict[str, Callable[[], Any]] = {"ours": ours.run} | {name: peer.run for name, peer in peers.items()}
    measured = bench.measure(jobs, 25)
    mine, count, flops = measured["ours"], len(given) * tokens, decoding_flops(network.shape, given, tokens)
    few = given[:8]
    step = 1e3 * mine.seconds / tokens
    same = _equal(ours.likeliest(few, tokens), PlainGeneration(plain, few, tokens).likeliest(few, tokens))
    for name in peers:
        theirs = measured[name]
        bench.add(
            WORK,
            name,
            unit="tokens",
            ours=count / mine.seconds,
            theirs=count / theirs.seconds,
            must=5.0,
            aim=12.0,
            share_ours=bench.share(flops, mine.seconds),
            share_theirs=bench.share(flops, theirs.seconds),
            gb_ours=mine.gb,
            gb_theirs=theirs.gb,
            note=f"{step:.1f} ms a step, prompts included; {same:.0%} of the likeliest tokens equal",
        )


def _equal(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> float:
    """The share of tokens that are the same up to the first other one: what follows that answers another prompt."""
    equal = total = 0
    for own, their in zip(ours, theirs, strict=True):
        first = next((n for n, (a, b) in enumerate(zip(own, their, strict=True)) if a != b), len(own))
        equal, total = equal + first, total + len(own)
    return equal / total
