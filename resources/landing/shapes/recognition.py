"""Which shape a row's columns have, and where its canonical fields are: worked out once for each set of columns."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from resources.landing.comparison import quoted
from resources.landing.shapes.catalogue import CANONICAL, PROMPT, SHAPES
from resources.landing.shapes.labels import (
    NAMES,
    is_number,
    looks_like_label,
    looks_like_score,
    may_say_side,
    numbers_beside,
    word_of,
    words_beside,
)
from resources.landing.shapes.mapping import ColumnMap
from resources.landing.shapes.shape import RESPONSES, Alternatives, Shape
from resources.landing.shapes.sources import Source, first_source, mapped_source, small, underscored

ABOUT = ("system", "group", "source", "annotator", "role")
"""Canonical fields that any shape may have under their own names."""

_SYSTEM: Alternatives = ("system", "system_prompt")

SCORES = "columns that look like scores of the responses were not read: no label comes from them"

_BEFORE_PROMPTS = ("context", "passage", "document", "history", "conversation", "instruction", "input")
_BESIDE_PROMPTS = (*_BEFORE_PROMPTS, "question", "query", "prompt")
_MODELS = (
    *(("model_a", "model_b"), ("model_1", "model_2"), ("model1", "model2"), ("model_a_name", "model_b_name")),
    ("generator_1", "generator_2"),
)

_PROMPTS = frozenset(name for names in PROMPT for name in names.split("+"))
_ONE_RESPONSE = frozenset(("completion", "response", "output", "answer", "messages", "conversations", "text"))
_VERDICTS = frozenset(("label", "kto_tag", "score", "rating"))
_NO_TEXT = {
    "tools": "tool calls are not supported",
    **dict.fromkeys(
        ("image", "images", "image_path", "image_paths", "image_url", "image_urls"),
        "image parts are not supported: only text is",
    ),
    **dict.fromkeys(("audio", "audios"), "audio parts are not supported: only text is"),
    **dict.fromkeys(("video", "videos"), "video parts are not supported: only text is"),
}


@dataclass(frozen=True)
class Plan:
    """How rows with one set of columns are read."""

    shape: Shape
    lower: Mapping[str, str] | None
    """Name in small letters to column, for the code of a shape."""
    fields: Mapping[str, Source] = field(default_factory=dict)
    mapped: tuple[str, ...] = ()
    """Fields that the user's map names: they win over what the code of a shape says."""
    rest: tuple[str, ...] = ()
    prompts: frozenset[str] = frozenset()
    """Columns in small letters that hold a prompt, if a row has them."""
    words: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    """What numbers mean too, if the file shows it."""
    models: tuple[str, ...] = ()
    """The columns that name the model of each response."""
    label: str = "preferred"
    """The column of the label that is read."""
    labels: tuple[str, ...] = ()
    """Columns of labels beside the one that is read."""
    unread: tuple[str, ...] = ()
    """Columns that look like a label and are not read."""
    doubtful: tuple[tuple[str, str], ...] = ()
    """Columns whose values may read like a label, each with its name in small letters."""
    no_text: tuple[tuple[str, str], ...] = ()
    """Columns that a model for text cannot follow, unless they are empty, and the reason."""
    notes: tuple[str, ...] = ()
    text_notes: tuple[tuple[str, str], ...] = ()
    """Columns, and what to tell where they hold text."""


def recognise(columns: tuple[str, ...], empty: tuple[str, ...], mapping: ColumnMap) -> Plan:
    """The plan for rows whose columns with a value are `columns`.

    Args:
        empty: the columns without one; some shapes are known by a column that may be empty.

    Raises:
        ValueError: no shape has them; the message says which columns there are, and what to do.
    """
    lower = small(columns)
    mapped = {name: source for name, text in mapping.named.items() if (source := mapped_source(name, text, lower))}
    taken = {way[0] for source in mapped.values() for way in source.parts if len(way) == 1}
    free = {name: column for name, column in lower.items() if column not in taken}
    shape = _shape({*free, *mapped}, columns, empty, mapping)
    about = {**{name: _SYSTEM if name == "system" else (name,) for name in ABOUT}, **shape.fields}
    about = {name: alternatives for name, alternatives in about.items() if name not in mapping.left_out}
    found = {name: first_source(alternatives, free) for name, alternatives in about.items()}
    sources = {name: source for name, source in found.items() if source} | mapped
    _refuse_third(sources, mapped, lower)
    if not shape.convert and (label := _label(free, sources)):
        sources["preferred"] = label
    read = {way[0] for source in sources.values() for way in source.parts}
    reads = shape.reads | shape.needs if shape.convert else shape.reads
    names = {column: column.strip().lower() for column in columns if column not in read}
    rest = tuple(column for column, name in names.items() if not {name, underscored(name)} & reads)
    named = tuple((column, names[column]) for column in rest)
    words, numbers = _words(sources, shape, mapping)
    return Plan(
        shape,
        lower if shape.convert else None,
        sources,
        tuple(mapped),
        rest,
        _prompts(shape),
        words,
        numbers,
        next((tuple(lower[name] for name in names) for names in _MODELS if lower.keys() >= {*names}), ()),
        sources["preferred"].names if "preferred" in sources else "preferred",
        () if "preferred" in mapped else tuple(column for column, name in named if name in NAMES),
        tuple(column for column, name in named if looks_like_label(name)),
        tuple((column, name) for column, name in named if may_say_side(name)),
        tuple((column, _NO_TEXT[name]) for name, column in lower.items() if name in _NO_TEXT),
        (*shape.notes, *_score_notes(sources, names.values())),
        tuple(_prompt_notes(sources, named)),
    )


def _prompts(shape: Shape) -> frozenset[str]:
    own = shape.fields.get("prompt", ())
    return _PROMPTS | {part.split(".")[0] for names in own for part in names.split("+")}


def _prompt_notes(sources: Mapping[str, Source], named: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What to tell of columns that may belong to the prompt, and are not read."""
    if prompt := sources.get("prompt"):
        for column, name in named:
            if name in _BESIDE_PROMPTS:
                both = f"{name}+{prompt.names}" if name in _BEFORE_PROMPTS else f"{prompt.names}+{name}"
                yield column, f"a column {name!r} was not read: --map prompt={both} joins it with the prompt"


def _score_notes(sources: Mapping[str, Source], rest: Iterable[str]) -> Iterator[str]:
    if "response_a" in sources and "preferred" not in sources and any(map(looks_like_score, rest)):
        yield SCORES


def _refuse_third(sources: Mapping[str, Source], mapped: Mapping[str, Source], lower: Mapping[str, str]) -> None:
    """Refuse more than two responses in columns that are counted, unless the user says which two are meant."""
    last = sources.get("response_b")
    if last is None or "response_b" in mapped:
        return
    name = last.names.strip().lower()
    for third in {"b": "c", "2": "30", "1": "2"}.get(name[-1:], ""):
        if (column := lower.get(name[:-1] + third)) is not None:
            raise ValueError(
                f"a third response, {quoted(column)}: say which two to compare, "
                "--map response_a=COLUMN,response_b=COLUMN"
            )


def _shape(names: set[str], columns: tuple[str, ...], empty: tuple[str, ...], mapping: ColumnMap) -> Shape:
    """The first shape that the names of columns and mapped fields are enough for; `columns` are as they are written."""
    for shape, responses in zip(CANONICAL, RESPONSES, strict=True):
        if set(responses) <= mapping.columns.keys():
            return shape
    if {*RESPONSES[0], *RESPONSES[1]} <= names:
        raise ValueError("has both 'chosen' and 'response_a', which belong to two forms: say which with --map")
    for shape in SHAPES:
        if shape.needs <= names or all(_has(names, empty, name) for name in shape.needs):
            return shape
    for responses in RESPONSES:
        if missing := [name for name in responses if name not in names][: len(names & set(responses))]:
            raise ValueError(f"no {missing[0]!r}: nothing to compare")
    others = {underscored(name) for name in names} - {*_PROMPTS, *ABOUT, "id"}
    if not others:
        raise ValueError("no responses: nothing to compare")
    if len(others - _ONE_RESPONSE) < len(others) and len({*others} - _VERDICTS) == 1:
        raise ValueError("one response each: nothing to compare")
    shown = ", ".join(columns)
    raise ValueError(
        f"the columns {quoted(shown, 300)} are no known form of preferences: say which is which with "
        "--map prompt=COLUMN,chosen=COLUMN,rejected=COLUMN (or response_a, response_b and preferred)"
    )


def _has(names: set[str], empty: tuple[str, ...], name: str) -> bool:
    """Whether a column is there; `*` stands for any beginning, and then the column may be empty."""
    return name in names or (name[0] == "*" and any(other.endswith(name[1:]) for other in (*names, *empty)))


def _label(lower: Mapping[str, str], sources: Mapping[str, Source]) -> Source | None:
    """The column that says which of two responses is better."""
    if "response_a" not in sources or "preferred" in sources:
        return sources.get("preferred")
    read = {way[0] for source in sources.values() for way in source.parts}
    return first_source(tuple(name for name in NAMES if name in lower and lower[name] not in read), lower)


def _words(
    sources: Mapping[str, Source], shape: Shape, mapping: ColumnMap
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What words mean, and what numbers mean if the file shows it: not where somebody says what numbers mean."""
    names = [sources[name].names if name in sources else name for name in RESPONSES[1]]
    label = sources["preferred"].names.strip().lower() if "preferred" in sources else None
    declared = shape.values if label in shape.fields.get("preferred", ()) else {}
    said = {word_of(word): side for word, side in mapping.values.items()}
    known = "1" in declared or any(map(is_number, said))
    return {**words_beside(names[0], names[1]), **declared, **said}, {} if known else numbers_beside(names[0], names[1])
