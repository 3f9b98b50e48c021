"""The backbone, the reward model on it, and what they compute."""
