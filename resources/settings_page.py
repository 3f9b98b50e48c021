"""The settings as docs/settings.md shows them, made from the model: keys, defaults, and descriptions as comments.

`make docs` writes them into the page; a test compares the two.
"""

import json
import textwrap
from collections.abc import Sequence
from typing import Any, get_args

from resources.settings import Settings
from resources.settings_file import ROOT
from ser.errors import SerError
from ser.specs import Spec

PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- `make docs` writes from here -->\n\n```toml\n", "```\n\n<!-- to here -->\n"

EXAMPLES: dict[str, Any] = {
    "backbone.revision": "0123abcd",
    "roles.test_fraction": 0.25,
    "roles.calibration_fraction": 0.1,
    "roles.seed_fraction": 0.15,
    "roles.fold": "0/4",
    "roles.seed_per_group": 1,
    "roles.max_pairs": 1000,
    "roles.heldout_max": 500,
    "compute.threads": 2,
    "compute.batch_tokens": 768,
    "thresholds.n_min": 600,
    "method.human_share": 0.3,
    "method.min_precision": 0.9,
    "recipes.mine": {"loops": 2, "method": {"teachers": 3}},
    "ppo.kl_horizon": 64,
    "automation.inbox": "s3://bucket/in",
    "automation.cron.mine": "0 3 * * *",
    "landing.mine.map": {"prompt": "question"},
    "landing.mine.values": {"left": "a", "right": "b"},
    "landing.mine.role": "test",
}
"""A value for each key that has none of its own; `mine` is a name that a user gives."""

_WIDTH = 120
_Line = tuple[str, str]
"""A line of TOML and its comment."""


def settings_toml() -> str:
    """All settings with their defaults; what has none is there as a comment."""
    return "\n".join(_section("", Settings(), "")) + "\n"


def page_with(text: str, toml: str) -> str:
    """The text of the page with `toml` between its marks.

    Raises:
        SerError: the page does not have each mark once, one after the other.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise SerError(f"{PAGE} has no place for the settings.\nPut {BEGIN!r} and {END!r} back, once each.")
    return f"{before}{BEGIN}{toml}{END}{after}"


def _section(place: str, values: Spec, description: str, mark: str = "") -> list[str]:
    """The lines of a section, and below it those of the sections in it; `mark` stands before each line of its own."""
    own: list[_Line] = [(f"{mark}[{place}]", description)] if place else []
    below: list[str] = []
    for name, field in type(values).model_fields.items():
        key, value, said = f"{place}.{name}".lstrip("."), getattr(values, name), field.description or ""
        if isinstance(value, Spec):
            below += ["", *_section(key, value, said)]
        elif key in EXAMPLES:
            own.append((f"# {name} = {toml_value(EXAMPLES[key])}", said))
        elif isinstance(value, dict):
            below += ["", *_named_section(key, field.annotation, said)]
        else:
            own.append((f"{mark}{name} = {toml_value(value)}", said))
    return _commented(own) + below


def _named_section(place: str, kind: Any, description: str) -> list[str]:
    """A section whose names the user gives: an example of a name, with what can be said of it."""
    of_name = get_args(kind)[1]
    if isinstance(of_name, type) and issubclass(of_name, Spec):
        return _section(f"{place}.mine", of_name(), description, mark="# ")
    return _commented([(f"[{place}]", description), (f"# mine = {toml_value(EXAMPLES[f'{place}.mine'])}", "")])


def _commented(lines: Sequence[_Line]) -> list[str]:
    """The lines, with their comments one below the other, in as many lines as they need."""
    column = max(len(text) for text, comment in lines if comment) + 2
    shown = []
    for text, comment in lines:
        first, *more = textwrap.wrap(comment, _WIDTH - column - 2, break_on_hyphens=False) or [""]
        shown.append(f"{text:<{column}}# {first}" if first else text)
        shown += [f"{'':<{column}}# {one}" for one in more]
    return shown


def toml_value(value: Any) -> str:
    """A value as TOML writes it on one line.

    Raises:
        ValueError: there is none: TOML has no null, so that `EXAMPLES` needs an example of the setting.
    """
    if value is None:
        raise ValueError("TOML has no null: a setting without a default needs an example in EXAMPLES.")
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)  # of texts, numbers and truth values TOML is written as JSON


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(), settings_toml()))
