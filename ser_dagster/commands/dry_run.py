"""`ser land --dry-run`: what would land, and two pairs as the model will read them."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from resources.landing.shapes.mapping import ColumnMap
from resources.landing.zone import Landing
from resources.settings import Settings
from resources.settings_file import data_root
from ser.data.pairs import Pair, readable_prompt
from ser.errors import SerError
from ser_dagster.commands.landing_words import landing_json, landing_lines

LONGEST = 600
"""Characters of a text that are shown."""


def show_preview(
    zone: Landing, settings: Settings, files: Sequence[Path], dataset: str, mapping: ColumnMap, as_json: bool
) -> None:
    """Print what `land` would do, and the first two pairs after the chat template. Nothing is written.

    Raises:
        SerError: nothing would land.
    """
    done, pairs = zone.preview(files, dataset, mapping)
    if as_json:
        shown = [asdict(pair) | {"preferred": preferred} for pair, preferred in pairs]
        document = landing_json(done, None) | {"labelled": None, "unlabelled": None}  # nobody knows before it lands
        print(json.dumps(document | {"dry_run": True, "pairs": shown}))
    else:
        for line in landing_lines(done, dry=True):
            print(line)
        read = _reader(settings) if pairs else _as_written
        for number, (pair, preferred) in enumerate(pairs, start=1):
            _print_pair(number, preferred, read(pair))
        print("A dry run: nothing was written.")
    if done.nothing:
        raise SerError("nothing would land. The reasons stand above.")


def _reader(settings: Settings) -> Callable[[Pair], Iterator[tuple[str, str]]]:
    """What shows a pair as the backbone reads it; only its tokenizer is needed for that."""
    from resources.tokenizer import load_tokenizer_only
    from ser.data.encoding import TooLongError, encode_pair, render_prompt

    try:
        tokenizer = load_tokenizer_only(data_root(), settings.backbone)
    except SerError as error:
        print(f"ser: prompts are shown without the chat template: {error}", file=sys.stderr)
        return _as_written

    def as_read(pair: Pair) -> Iterator[tuple[str, str]]:
        try:
            tokens = encode_pair(tokenizer, pair, settings.encoding.max_length)
        except TooLongError as error:
            yield "left out of a run", str(error)
            yield "prompt", render_prompt(tokenizer, pair.prompt)
            yield from list(_as_written(pair))[1:]
            return
        if tokens.cut:
            yield "cut from the left of the prompt", f"{tokens.cut:,} tokens (encoding.max_length)"
        for name in ("prompt", "response_a", "response_b"):
            yield name, tokenizer.decode(getattr(tokens, name))

    return as_read


def _as_written(pair: Pair) -> Iterator[tuple[str, str]]:
    """The texts of a pair, by name."""
    yield "prompt", readable_prompt(pair.prompt)
    yield "response_a", pair.response_a
    yield "response_b", pair.response_b


def _print_pair(number: int, preferred: str | None, texts: Iterable[tuple[str, str]]) -> None:
    label = "no label" if preferred is None else f"response_{preferred} is preferred"
    print(f"\nPair {number}, {label}. As the model reads it:")
    for name, text in texts:
        print(f"{name}: {_short(text)}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
