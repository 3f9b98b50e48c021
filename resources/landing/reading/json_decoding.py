"""JSON objects as rows: Python's decoder, and what it lets pass that no row may have."""

import json
from collections import Counter
from typing import Any

from resources.landing.reading import rows
from resources.landing.reading.limits import MAX_NAME, MAX_VALUES, columns_fault
from resources.landing.reading.rows import RawRow, cut_row, text_row, whole_of

_SHOWN = 40


class Decoder:
    """Python's decoder, which takes the last of several values under one key, and here remembers the key."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)
        self._twice: str | None = None

    def first(self, text: str, position: int = 0) -> tuple[Any, int]:
        """The value that begins at a place, and where it ends.

        Raises:
            ValueError: there is none.
            RecursionError: the same.
        """
        self._twice = None
        return self._decoder.raw_decode(text, position)

    def only(self, text: str) -> Any:
        """The value that the whole text is.

        Raises:
            ValueError: it is none.
            RecursionError: the same.
        """
        self._twice = None
        return self._decoder.decode(text)

    def row(self, number: int, raw: str, value: Any) -> RawRow:
        """The row of what was decoded last, from the text `raw`."""
        if len(raw) > rows.MAX_LINE:
            reason = f"an object of over {rows.MAX_LINE} characters; its beginning is kept"
            return cut_row(number, raw, whole_of(raw.encode("utf-8", "surrogateescape")), reason)
        if not isinstance(value, dict):
            return text_row(number, raw, None, "not a JSON object")
        return text_row(number, raw, value, self._fault(raw, value))

    def _fault(self, raw: str, value: dict[str, Any]) -> str | None:
        if self._twice is not None:
            return f"the key {self._twice[:_SHOWN]!a} stands twice in one object: which value is meant?"
        if len(raw) > MAX_NAME and (fault := columns_fault(value)):
            return fault
        return f"over {MAX_VALUES:,} values" if len(raw) > MAX_VALUES and raw.count(",") > MAX_VALUES else None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            self._twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        return made
