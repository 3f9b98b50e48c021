"""`ser land --dry-run`: what would land, and two pairs as the model reads them, if its tokenizer is at hand."""

import json
import sys
from collections.abc import Callable, Sequence
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
Texts = dict[str, str]
"""What is shown of a pair: name -> text."""


def show_preview(
    zone: Landing, settings: Settings, files: Sequence[Path], dataset: str, mapping: ColumnMap, as_json: bool
) -> None:
    """Print what `land` would do, and the first two pairs, after the chat template if it is known. Nothing is written.

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
        show = _reader(settings) if pairs else _as_written
        for number, (pair, preferred) in enumerate(pairs, start=1):
            _print_pair(number, preferred, *show(pair))
        print("A dry run: nothing was written.")
    if done.nothing:
        raise SerError("nothing would land. The reasons stand above.")


def _reader(settings: Settings) -> Callable[[Pair], tuple[str, Texts]]:
    """What shows a pair as the backbone reads it, for which only its tokenizer is needed, and says that it does.

    Where there is no tokenizer at hand, that is said, and a pair is shown as it is written.
    """
    from resources.tokenizer import load_tokenizer_only
    from ser.data.chat import render_prompt
    from ser.data.encoding import TooLongError, encode_pair

    try:
        tokenizer = load_tokenizer_only(data_root(), settings.backbone)
    except SerError as error:
        print(f"ser: pairs are shown without the chat template: {error}", file=sys.stderr)
        return _as_written

    def as_read(pair: Pair) -> tuple[str, Texts]:
        try:
            tokens = encode_pair(tokenizer, pair, settings.encoding.max_length)
        except TooLongError as error:
            prompt = {"prompt": render_prompt(tokenizer, pair.prompt)}
            return f"Left out of a run: {error}", _as_written(pair)[1] | prompt
        cut = {"cut from the left of the prompt": f"{tokens.cut:,} tokens (encoding.max_length)"} if tokens.cut else {}
        names = ("prompt", "response_a", "response_b")
        return "As the model reads it", cut | {name: tokenizer.decode(getattr(tokens, name)) for name in names}

    return as_read


def _as_written(pair: Pair) -> tuple[str, Texts]:
    texts = {"prompt": readable_prompt(pair.prompt), "response_a": pair.response_a, "response_b": pair.response_b}
    return "As it is written", texts


def _print_pair(number: int, preferred: str | None, shown: str, texts: Texts) -> None:
    label = "no label" if preferred is None else f"response_{preferred} is preferred"
    print(f"\nPair {number}, {label}. {shown}:")
    for name, text in texts.items():
        print(f"{name}: {_short(text)}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
