"""Attention by plain products is PyTorch's attention, with its gradients."""

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from ser.models.attention import grouped_attention


@given(
    batch=st.integers(1, 3), groups=st.integers(1, 3), repeat=st.integers(1, 3), queries=st.integers(1, 9),
    earlier=st.integers(0, 5), masked=st.booleans(),
)  # fmt: skip
def test_it_is_pytorchs_attention(
    batch: int, groups: int, repeat: int, queries: int, earlier: int, masked: bool
) -> None:
    random, keys = torch.Generator().manual_seed(0), queries + earlier
    shapes = [(batch, groups * repeat, queries, 8), (batch, groups, keys, 8), (batch, groups, keys, 8)]
    mask = None
    if masked:
        visible = torch.ones(queries, keys, dtype=torch.bool).tril(earlier)
        mask = torch.zeros(batch, 1, queries, keys).masked_fill(~visible, torch.finfo(torch.float32).min)
    values = [torch.randn(shape, generator=random) for shape in shapes]
    ours, theirs = ([one.clone().requires_grad_() for one in values] for _ in range(2))
    got, _ = grouped_attention(SimpleNamespace(), *ours, mask, scaling=0.3)
    q, k, v = theirs
    k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    wanted = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3).transpose(1, 2)
    assert torch.allclose(got, wanted, atol=1e-5)
    weights = torch.linspace(-1, 1, wanted.numel()).view_as(wanted)
    (got * weights).sum().backward()
    (wanted * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-5)
