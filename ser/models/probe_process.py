"""`python -m ser.models.probe_process FOLDER SECONDS BYTES`: use a model's tokenizer and chat template under limits.

Each step is a line of JSON on standard output, so that whoever waits knows what has not come to an end; the last line
is `{"fine": true}`, or `{"error": …}` with what a user is told.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ser.data.chat import render_prompt
from ser.data.encoding import encode_prompt, encode_response
from ser.data.pairs import canonical_prompt
from ser.errors import SerError, shortened
from ser.models.model_config import PACKABLE, read_config

QUESTION = "Please name three rivers of Europe."
_ANSWER, _OTHER = "The Rhine, the Danube and the Volga.", "I do not know any of them, sorry."
_FEWEST = 4
"""Different tokens of the answer, the end token among them, of which a tokenizer of words knows some at least."""

_LENGTH, _LONG = 10_000, 100_000
_WITH_TORCH = 4
"""So many times the memory, of which torch alone takes once or twice."""

_SHAPES = ("u", "su", "uau", "suau", "uu", "au", "uasu", "uauauauauauau", "suauauauauauau")
"""Conversations by the first letters of their roles."""

_LONGER = ("ua" * 8 + "u", "ua" * 30 + "u", "s" + "ua" * 30 + "u")
_REMEDY = "Mend tokenizer.json in the folder, or use another backbone."

_ROLES = {"s": "system", "u": "user", "a": "assistant"}
_UNICODE = (
    "\u00e9\u0301\u0300", "\u4e2d\u6587", "\u0627\u0644\u0639", "\U0001f469\u200d\U0001f467", "\u200b\u2028\ufeff",
    "\x00\x01\x1b", "\ufffd\ue000", "\u1100\u1161", "\u0e01\u0e33", "\U0010ffff",
)  # fmt: skip


def main(folder: Path, seconds: int, memory: int) -> int:
    """Try the model in `folder` for so many seconds of a processor, in so many bytes; returns the exit code."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints

    def tell(**line: Any) -> None:
        print(json.dumps(line), file=lines, flush=True)

    step = ""
    try:
        for step in _steps(folder, seconds, memory):
            tell(step=step)
    except SerError as error:
        tell(error=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - any mistake that the author of a tokenizer may make
        tell(error=f"{step} failed ({type(error).__name__}: {shortened(error)}).\n{_REMEDY}")
        return 1
    tell(fine=True)
    return 0


def _steps(folder: Path, seconds: int, memory: int) -> Iterator[str]:
    """Name each step, and do it."""
    yield "starting a process for it"
    packable = _without_torch(folder)
    from ser.models.tokenizer import choose_tokens, embedding_rows, read_tokenizer

    _limit(seconds, memory if packable else _WITH_TORCH * memory)
    yield "reading its tokenizer"
    tokenizer = read_tokenizer(folder)
    if not packable:
        yield "reading its configuration"
        _outline(folder)
    yield "filling its chat template"
    choose_tokens(folder, tokenizer)
    if QUESTION not in render_prompt(tokenizer, _conversation("u", QUESTION)):
        raise SerError("its chat template leaves out what the user says. Mend chat_template, or use another backbone.")
    for prompt in _conversations():
        _render(tokenizer, prompt)
    yield "turning texts into tokens with its tokenizer"
    tokens = [encode_response(tokenizer, text) for text in _texts()]
    tokens.append(encode_prompt(tokenizer, _conversation("u", QUESTION)))
    _check(tokenizer, tokens, embedding_rows(folder))


def _without_torch(folder: Path) -> bool:
    """Whether the model is of a type for which torch is not needed; its import would take longer than all the rest."""
    if read_config(folder)["model_type"] not in PACKABLE:
        return False
    sys.modules["torch"] = None  # type: ignore[assignment]
    return True


def _limit(seconds: int, memory: int) -> None:
    """From here on: data, and processor time after what the imports took."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds += int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _outline(folder: Path) -> None:
    """The sizes of a model whose configuration may have counts of any name."""
    from transformers import AutoModelForSequenceClassification

    from ser.models.completeness import check_sizes
    from ser.models.weight_files import INDEX, WEIGHTS

    if (folder / WEIGHTS).exists() or (folder / INDEX).exists():
        check_sizes(folder, AutoModelForSequenceClassification, {"num_labels": 1})


def _conversation(shape: str, text: str) -> str:
    """Turns of these roles, whose texts begin alike and differ from each other."""
    texts = (f"{text} {turn}" if turn else text for turn in range(len(shape)))
    return canonical_prompt(
        [{"role": _ROLES[letter], "content": said} for letter, said in zip(shape, texts, strict=True)]
    )


def _conversations() -> Iterator[str]:
    yield from (_conversation(shape, QUESTION) for shape in (*_SHAPES, *_LONGER))
    yield _conversation("u", " ".join([QUESTION] * (_LONG // len(QUESTION))))
    yield _conversation("suau", "{{ 7 * 7 }} {% for x in y %}" * 50)
    yield _conversation("suau", "".join(_UNICODE))


def _render(tokenizer: Any, prompt: str) -> None:
    """Fill the template. That it refuses a conversation is its right, and is said when a pair has such a one."""
    from jinja2 import TemplateError

    try:
        render_prompt(tokenizer, prompt)
    except SerError as error:
        if not isinstance(error.__cause__, TemplateError):
            raise


def _texts() -> Iterator[str]:
    """Texts that patterns go through in many ways: runs of every character, and of none that ends as it should."""
    yield from (_ANSWER, _OTHER)
    printable = [chr(code) for code in range(0x20, 0x7F)]
    yield "".join(one * 200 for one in printable)
    yield " ".join(one * 200 for one in printable)
    for run in ("a", " ", "\n", "0", "!", "_", "ab", "a ", "\r\n", "\t ", *_UNICODE):
        yield run * (_LENGTH // len(run))
        yield run * 1000 + "!"
    # What takes the square of a text's length takes an hour for the longest that lands.
    yield from ("a" * _LONG + "!", " " * _LONG + "a", " ".join([QUESTION] * (_LONG // len(QUESTION))))


def _check(tokenizer: Any, tokens: list[list[int]], rows: int) -> None:
    if tokens[0] == tokens[1] or len(set(tokens[0])) < _FEWEST:
        raise SerError("its tokenizer cannot tell texts apart. Replace tokenizer.json, or use another backbone.")
    largest = max(map(max, tokens))
    if largest >= rows:
        raise SerError(
            f"its tokenizer makes token {largest}, and its embedding has {rows:,} rows. Replace tokenizer.json, or use "
            "another backbone."
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
