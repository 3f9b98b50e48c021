"""Losses of reward models, each with its equation and where it comes from."""

import torch
from torch.nn.functional import logsigmoid


def pairwise_loss(
    rewards: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, total: float, centering: float = 0.0
) -> torch.Tensor:
    """The Bradley-Terry loss of pairs whose label is a probability, and the pull of the mean reward to zero.

    With m_i = r_a - r_b, for some of the n pairs of a batch, and W = `total`:

        L = 1/W sum_i w_i [-t_i log sigmoid(m_i) - (1 - t_i) log sigmoid(-m_i)] + c/W sum_i w_i (r_a + r_b)^2

        W = n w, with w the mean weight of all pairs that are trained on

    So a pair counts alike in whichever batch it comes, and a share of the weights is that share of an epoch's loss;
    divided by the weight of its own batch, a heavy pair would count less the more such pairs come with it.

    The first term is the cross-entropy of Ouyang et al. (arXiv 2203.02155, eq. 1), who have t in {0, 1}, with a label
    that may lie between; the second is Eisenstein et al. (arXiv 2312.09244, eq. 2). Parts of a batch add up.

    Args:
        rewards: [B, 2] rewards of response a and response b.
        target: [B] the probability that response a is the better one.
        weight: [B] how much each pair counts.
        total: W, the same for all parts of a batch.
        centering: c.
    """
    a, b = rewards.unbind(1)
    losses = -target * logsigmoid(a - b) - (1 - target) * logsigmoid(b - a) + centering * (a + b) ** 2
    return (weight * losses).sum() / total
