"""The annotator of the committed sample, who is a program (data/sample/generate.py)."""

SIMULATED = "simulated"
"""As whom the sample's labels land."""
NOISE = 0.1
"""The share of its labels that it flips at random: no model can be right on more than the rest."""
