"""Ours against transformers and TRL on one GPU, at the architecture of Llama 3 8B with random weights.

On the machine with the GPU, in the project's folder:

    python -W ignore -m bench gpu --out FOLDER           # all sections, within 540 seconds
    python -W ignore -m bench gpu --out FOLDER           # again: those that are still missing
    python -W ignore -m bench gpu --out FOLDER --only score,train --seconds 200

Then, on any machine, its table into docs/performance.md:

    python -m bench gpu --table FOLDER

Without a GPU, the same code in under a minute:

    python -W ignore -m bench gpu --tiny --out FOLDER

Every row is in FOLDER/rows.jsonl as soon as it is measured. What fails, runs out of memory or exceeds its time is a row
that says so. A section that has ended is not run again, whatever became of it, but in another folder. Where the GPU
refuses everything afterwards, the process ends with status 3, and the same command goes on with the next section.

It needs a GPU with 80 GB, torch 2.11 with CUDA, and transformers, peft, trl, datasets, accelerate, safetensors, numpy,
pyarrow and pydantic as pyproject.toml has them. Section `real` needs all of the project's packages and the embedded
model; without them it is a row that says what is missing.
"""
