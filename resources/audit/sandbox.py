"""What SQL that reads the audit may use: the tables of one file, no other file, so much memory and so much time.

The file itself is not trusted either: an auditor opens what somebody has handed over, and its views are SQL too.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from resources.machine import memory_bytes
from ser.errors import SerError

SECONDS = 60.0
"""How long a query may work."""
_MOST_MEMORY = 4 * 1024**3

SANDBOX: Mapping[str, str] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",
}


def memory_limit() -> int:
    """Bytes that a query may hold: half of this machine's, and not more than 4 GiB."""
    return min(memory_bytes() // 2, _MOST_MEMORY)


def confine(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the connection open no file from now on, and keep it so; the database itself is open already.

    `enable_external_access = false` alone leaves the database's own names, at which a link may lie. Nothing can be
    spilled either: what does not fit into memory is refused.
    """
    connection.execute(f"SET memory_limit = '{memory_limit()}B'")
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET lock_configuration = true")


@contextmanager
def bounded(connection: duckdb.DuckDBPyConnection, path: Path, seconds: float | None) -> Iterator[None]:
    """Interrupt what the connection to `path` does after `seconds` (None: somebody else does).

    Raises:
        SerError: the time was over, or the memory was not enough; says how to go on.
    """
    ended = threading.Event()

    def watch() -> None:
        if not ended.wait(seconds):
            while not ended.wait(0.1):
                connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except duckdb.InterruptException as error:
        if seconds is None:
            raise
        raise SerError(too_long(path, seconds)) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise SerError(too_large(path)) from error
    finally:
        ended.set()
        watcher.join()


def too_long(path: Path, seconds: float) -> str:
    """What is said of a query whose time is over."""
    return f"The query was ended after {seconds:.0f} seconds.\n{go_on(path)}"


def too_large(path: Path) -> str:
    """What is said of a query that needs more memory than there is for it."""
    return f"The query needs more than the {memory_limit() / 1e9:.1f} GB of memory that it may use.\n{go_on(path)}"


def go_on(path: Path) -> str:
    """What to do instead."""
    return f"Ask for less (WHERE, LIMIT), or ask a file that you trust without bounds: duckdb -readonly {path}"
