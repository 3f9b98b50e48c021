"""The memory of a GPU: how much is free, and what to do when there is none."""

import gc

import torch


def free_bytes(device: torch.device) -> int:
    """What this process may still allocate on a GPU: what nobody has, and what it holds itself without using it."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def collect_garbage() -> None:
    """Give back to a GPU what nobody uses any more: a library's trainer refers to itself, and Python is in no hurry."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
