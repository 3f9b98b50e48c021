"""`ser land --dry-run`: what would land, and two pairs as the model will read them."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from resources.landing.shapes.mapping import ColumnMap
from resources.landing.zone import Landing
from resources.settings import Settings, data_root
from ser.errors import SerError
from ser.pairs import Pair, readable_prompt
from ser_dagster.landing_words import landing_json, landing_lines

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
        print(json.dumps(landing_json(done, None) | {"dry_run": True, "pairs": shown}))
    else:
        for line in landing_lines(done):
            print(line)
        render = _renderer(settings) if pairs else readable_prompt
        for number, (pair, preferred) in enumerate(pairs, start=1):
            _print_pair(number, pair, preferred, render(pair.prompt))
        print("A dry run: nothing was written.")
    if done.nothing:
        raise SerError("nothing would land. The reasons stand above.")


def _renderer(settings: Settings) -> Callable[[str], str]:
    """What turns a prompt into the text that the backbone reads; only its tokenizer is needed for that."""
    from resources.tokenizer import load_tokenizer_only
    from ser.encoding import render_prompt

    try:
        tokenizer = load_tokenizer_only(data_root(), settings.backbone)
    except SerError as error:
        print(f"ser: prompts are shown without the chat template: {error}", file=sys.stderr)
        return readable_prompt
    return lambda prompt: render_prompt(tokenizer, prompt)


def _print_pair(number: int, pair: Pair, preferred: str | None, prompt: str) -> None:
    label = "no label" if preferred is None else f"response_{preferred} is preferred"
    print(f"\nPair {number}, {label}. The prompt as the model reads it:")
    print(_short(prompt))
    for name, text in (("response_a", pair.response_a), ("response_b", pair.response_b)):
        print(f"{name}: {_short(text)}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
