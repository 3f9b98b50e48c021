"""From the raw rows of a file to checked rows: each is read as the shape that its columns have."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

from resources.landing.comparison import JUDGE, Comparison, Row, check_row, quoted
from resources.landing.files import RawRow
from resources.landing.shapes.first_look import FirstLook, first_rows
from resources.landing.shapes.labels import Answers, word_of
from resources.landing.shapes.listed_turns import in_turns
from resources.landing.shapes.mapping import FIELDS, ColumnMap
from resources.landing.shapes.other_prompts import other_prompt
from resources.landing.shapes.rankings import drawn
from resources.landing.shapes.recognition import Plan, recognise
from resources.landing.shapes.runs import gather_runs
from resources.landing.shapes.settling import settle
from resources.landing.shapes.shape import NO_PROMPT, RESPONSES, Fields
from resources.landing.shapes.sides import TIES, Sides
from resources.landing.shapes.sources import mapped_source, small
from resources.landing.shapes.templates import refuse_template
from ser.data.roles import ASKED_ROLES, LABEL_ROLES

_SIDE = 8
_NO_PROMPT = (
    "no prompt under a known name (prompt, instruction, question, …): name its column, --map prompt=COLUMN "
    "(data.NAME, or fields.NAME, where it stands inside)"
)
JUDGES = "labels of the annotator 'judge' train only the judge of policies: they are no human labels"
DRAWN = f"lists of many responses: {_SIDE} of each side were drawn"
_REQUIRED = ("prompt", *RESPONSES[0], *RESPONSES[1])
_CANONICAL = frozenset(FIELDS) - {"id"}
_EMPTY: tuple[Any, ...] = ("", "[]", "null", [], {}, False)
_PLANS_KEPT = 2**20
"""Characters of the names of columns of which it is remembered how they are read."""
_COLUMNS_KEPT = 500


class ShapeReader:
    """Reads the rows of one file, and counts what they were read as.

    Attributes:
        shapes: what rows were read as, in words, to raw rows.
        notes: what was done or noticed on the way, in words, to raw rows.
        columns: the names of the columns, as they appeared.
    """

    def __init__(self, mapping: ColumnMap | None = None):
        self.shapes: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.columns: list[str] = []
        self._mapping = mapping or ColumnMap()
        self._plans: dict[tuple[str, ...], Plan | str] = {}
        self._planned = 0
        self._words: dict[tuple[str, str, str], str] = {}
        self._look = FirstLook()
        self._sides = Sides(self._mapping, self._look)
        self._refused: str | None = None

    def parse(self, rows: Iterable[RawRow]) -> Iterator[tuple[RawRow, Row | str]]:
        """A checked row for each pair of each raw row, or the reason why it has none."""
        first, every = first_rows(gather_runs(rows))
        self._look_at(first)
        for raw in every:
            if raw.fields is None:
                yield raw, raw.reason or "no row"
                continue
            for found in self.read(raw.fields):
                yield raw, found

    def read(self, fields: Mapping[str, Any]) -> list[Row | str]:
        """The checked rows of one raw row's fields (column to value), or the reason why there is none.

        Numbers as labels are read after a look at the first rows only, which is what `parse` does.
        """
        notes: set[str] = set()
        try:
            if self._refused:
                raise ValueError(self._refused)
            present = _present(fields)
            plan = self._plan(present, fields)
            for column, reason in plan.no_text:
                if present[column] not in _EMPTY:
                    raise ValueError(reason)
            metadata = {name: present[name] for name in plan.rest}
            found, words = self._pairs(plan, present, fields, metadata, notes)
        except (ValueError, ArithmeticError) as problem:
            return [_shown(str(problem))]
        except RecursionError:
            return ["a column is nested too deeply"]
        if words is not None:
            self.shapes[words] += 1
            self.notes.update(notes)
            self.notes.update(map(_shown, plan.notes))
            self.notes.update(_shown(note) for column, note in plan.text_notes if isinstance(present[column], str))
        return found

    def _look_at(self, rows: Iterable[RawRow]) -> None:
        """See which columns there are, and what numbers the labels say."""
        for raw in rows:
            fields = raw.fields or {}
            if self._mapping.named:
                self._look.columns.update(small(fields))
            present = _present(fields)
            try:
                plan = self._plan(present, fields)
                source = plan.fields.get("preferred")
                label = source.value(present) if source else None
                self._look_inside(plan, present)
            except (ValueError, ArithmeticError):
                continue
            if source and label is not None:
                self._look.note(plan.label, word_of(label))
            self._look.models.update(word_of(present[column]) for column in plan.models)
            for column in plan.labels:
                self._look.note(column, word_of(present[column]))
        optional = {name: text for name, text in self._mapping.named.items() if name not in _REQUIRED}
        for name, text in optional.items():
            if self._look.columns and mapped_source(name, text, self._look.columns) is None:
                self._refused = f"no column {quoted(text)}, which --map names as the {name!r}"

    def _look_inside(self, plan: Plan, present: Mapping[str, Any]) -> None:
        """See what questions people answered, and whether texts without a prompt begin with one."""
        if plan.shape.convert is not None:
            if "preferred" in self._mapping.named:
                found = [said.get("preferred") for said in _said(plan, present)]
                self._look.columns |= small(name for one in found if isinstance(one, Answers) for name, _ in one.said)
        elif "prompt" not in plan.fields:
            texts = [plan.fields[name].value(present) for names in RESPONSES for name in names if name in plan.fields]
            if len(texts) == 2 and all(isinstance(text, str) for text in texts):
                self._look.note_texts(*texts)

    def _pairs(
        self,
        plan: Plan,
        present: Mapping[str, Any],
        fields: Mapping[str, Any],
        metadata: dict[str, Any],
        notes: set[str],
    ) -> tuple[list[Row | str], str | None]:
        """The pairs of a row, or the reasons why they are none, and what it was read as if any is a pair."""
        found: list[Row | str] = []
        words = None
        for said in _said(plan, present):
            if said.get("prompt") is NO_PROMPT:
                raise ValueError(_NO_PROMPT)
            extra = {name: value for name, value in said.items() if name not in _CANONICAL}
            if isinstance(said.get("source"), (list, dict, bool)):  # no name of a domain
                extra["source"] = said.pop("source")
            for comparison in self._comparisons(plan, said, present, notes):
                try:
                    why = partial(other_prompt, plan, present, fields, self._mapping, self._look)
                    form = settle(comparison, said.get("system"), notes, why)
                    row = check_row(comparison, {**metadata, **extra} if extra else metadata)
                    refuse_template((row.pair.prompt, row.pair.response_a, row.pair.response_b))
                except ValueError as problem:
                    found.append(_shown(str(problem)))
                else:
                    found.append(row)
                    words = words or self._word(plan, *form)
        return found, words

    def _plan(self, present: Mapping[str, Any], fields: Mapping[str, Any]) -> Plan:
        columns = tuple(present)
        key = columns if len(present) == len(fields) else (*columns, "", *fields)
        plan = self._plans.get(key)
        if plan is None:
            self._planned += sum(map(len, key)) + 100
            if self._planned > _PLANS_KEPT:
                self._plans.clear()
                self._planned = 0
            new = [name for name in map(_shown, fields) if name not in self.columns]
            self.columns += new[: _COLUMNS_KEPT - len(self.columns)]
            try:
                plan = recognise(columns, tuple(name for name in fields if name not in present), self._mapping)
            except ValueError as problem:
                plan = str(problem)
            self._plans[key] = plan
        if isinstance(plan, str):
            raise ValueError(plan)
        return plan

    def _comparisons(
        self, plan: Plan, said: Fields, present: Mapping[str, Any], notes: set[str]
    ) -> Iterator[Comparison]:
        """The comparisons of one or several responses with one or several others."""
        names = RESPONSES[0] if "chosen" in said or "rejected" in said else RESPONSES[1]
        one, other = (said.get(name) for name in names)
        first = self._sides.first(plan, said, present, names, notes)
        if first is not None and said.get("annotator") == JUDGE:
            notes.add(JUDGES)
        about = {
            "annotator": said.get("annotator") or (None if first is None else plan.shape.annotator),
            "source": said.get("source"),
            "group": said.get("group"),
            "role": said.get("role") or self._role(first is None and TIES in notes),
        }
        prompt, ones, others = said.get("prompt"), _several(one), _several(other)
        if isinstance(prompt, list) and _is_texts(prompt) and len(prompt) == len(ones) == len(others):
            ones, others, prompt = [in_turns(prompt, ones)], [in_turns(prompt, others)], None
        if len(ones) * len(others) > _SIDE**2:
            notes.add(DRAWN)
            ones, others = drawn(ones, _SIDE), drawn(others, _SIDE)
        for better, worse in product(ones, others):
            yield Comparison(prompt, better, worse, first, names, **about)

    def _role(self, tied: bool) -> str | None:
        """What the user asks for all rows; a tie has no label to be tested or trained with."""
        role = self._mapping.role
        return "unused" if tied and role and ASKED_ROLES[role.strip().lower()] in LABEL_ROLES else role

    def _word(self, plan: Plan, form: str, origin: str) -> str:
        key = (plan.shape.name, form, origin)
        if key not in self._words:
            name = f"{plan.shape.name} {form}" if plan.shape.name == "TRL" else plan.shape.name
            self._words[key] = name + origin
        return self._words[key]


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with a value."""
    return {name: value for name, value in fields.items() if value is not None and value == value}


def _said(plan: Plan, present: Mapping[str, Any]) -> Iterable[Fields]:
    """The canonical fields of each comparison of a row."""
    fields = {name: source.value(present) for name, source in plan.fields.items()}
    if plan.shape.convert is None or plan.lower is None:
        return [fields]
    row = {name: present[column] for name, column in plan.lower.items()}
    try:
        mapped = {name: fields[name] for name in plan.mapped}
        return [{**fields, **converted, **mapped} for converted in plan.shape.convert(row)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"it has the columns of {plan.shape.name!r}, but is not built like it") from error


def _shown(text: str) -> str:
    """A text that may hold what a file says, as one that can be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _several(value: Any) -> list[Any]:
    """The responses of a column: a list of texts is several, a list of messages is one."""
    return value if isinstance(value, list) and _is_texts(value) else [value]


def _is_texts(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)
