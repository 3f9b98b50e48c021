"""Proximal policy optimisation of a LoRA policy against a reward model, over one backbone."""
