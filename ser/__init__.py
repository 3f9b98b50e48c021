"""The method: Self-Evolved Reward Learning (arXiv 2411.00418) in plain Python and PyTorch, without Dagster."""

import os

# Threads of OpenMP that wait for each other spin, and beside another busy process take its time and their own. It is
# read once, when torch is loaded; whoever has set it knows better.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
