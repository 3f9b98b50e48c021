"""What an answer of the audit is about: two lines above it."""

from pathlib import Path

from resources.audit.cells import readable_rows
from resources.audit.database import query
from resources.audit.layout import terminal_width, wrapped

_ABOUT = """
SELECT evolution, name, dataset, snapshot,
    if(state = 'finished', strftime(finished_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M UTC'), NULL) AS finished_at
FROM evolutions WHERE evolution = $evolution
"""


def heading(path: Path, evolution: str, running: bool = False, width: int | None = None) -> str:
    """Dataset, snapshot and evolution (its full name), and when that finished or that it has not.

    `running` is whether a process works on it now, so that what is shown may be of an earlier execution.
    """
    [row] = query(path, _ABOUT, {"evolution": evolution})[1]
    identity, name, dataset, snapshot, finished = readable_rows([row])[0]
    called = f" ({name})" if name else ""
    state = f"finished {finished}" if finished else "not finished"
    now = ", running now" if running else ""
    lines = f"evolution {identity}{called}{now}\ndataset {dataset}, snapshot {snapshot}, {state}"
    return wrapped(lines, width or terminal_width())
