"""The backbone, the reward model on it, and what they compute."""

import logging

# PEFT imports bitsandbytes wherever it is installed, which then names kernels that it could have.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
