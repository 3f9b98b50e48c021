"""The sections by name, the most valuable first, and how many seconds of a lease each may take."""

from bench.gpu.bench import Section
from bench.gpu.profiling import profile_scoring, profile_training
from bench.gpu.real import real
from bench.gpu.rollout import rollout
from bench.gpu.scoring import score, states
from bench.gpu.training import train_hh, train_long

SECTIONS = {
    "score": Section(score, 90),
    "train": Section(train_hh, 110),
    "rollout": Section(rollout, 70),
    "long": Section(train_long, 80),
    "states": Section(states, 60),
    "profile-score": Section(profile_scoring, 30),
    "profile-train": Section(profile_training, 30),
    "real": Section(real, 90),
}
