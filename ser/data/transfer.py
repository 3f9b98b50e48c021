"""Tensors to the device that computes, without waiting where that is possible."""

import torch


def to_device(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """The tensor on a device. To a GPU it goes through memory that it can read by itself, while the host goes on."""
    if torch.device(device).type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
