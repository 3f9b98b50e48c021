"""Benchmarks against peers: same work, same pairs, alternating runs, printed as ratios."""
