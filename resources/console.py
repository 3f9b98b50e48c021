"""Rich's console, which is slow to import, behind the door to the terminal."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ser.terminal import behind, printable


class Terminal(Console):
    """Rich's console on standard output or error, whose own commands pass the door, while texts are cleaned."""

    def __init__(self, *, stderr: bool = False):
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    @property  # type: ignore[misc]  # nobody sets it
    def file(self) -> Any:
        """The stream behind the door."""
        return behind(sys.stderr if self.stderr else sys.stdout)

    def render_str(self, text: str, **style: Any) -> Text:
        """A plain text, so that it is laid out by what is seen."""
        return super().render_str(printable(text), **style)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What rich makes of it; every text in it is printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
