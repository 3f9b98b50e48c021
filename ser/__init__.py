"""The method: Self-Evolved Reward Learning (arXiv 2411.00418) in plain Python and PyTorch, without Dagster."""
