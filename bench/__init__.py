"""Benchmarks against peers: same work, same pairs, alternating runs, printed as ratios."""

import ser  # noqa: F401 - before torch is loaded: how threads wait, for both sides
