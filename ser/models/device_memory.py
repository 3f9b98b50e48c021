"""The memory of a GPU: how much is free, and what to do when there is none."""

import torch


def free_bytes(device: torch.device) -> int:
    """What this process may still allocate on a GPU: what nobody has, and what it holds itself without using it."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
