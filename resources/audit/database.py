"""The audit database: one DuckDB file that is opened only for as long as a sync or a query takes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from resources.audit.own_files import check_own_files
from resources.audit.sandbox import SECONDS, bounded
from resources.audit.schema import apply_schema, check_schema, connect, prepare_for_bulk
from resources.audit.writing import AuditBusy, being_written, put_in_place, turns
from resources.disk import is_full
from ser.errors import SerError

# What DuckDB says of a file that another process (or another configuration in this one) has open.
_HELD = ("Could not set lock on file", "different configuration than existing connections")
_ROWS = 256
"""Rows that are fetched at a time."""
_DAMAGED = (
    "not a valid DuckDB database",
    "Could not read enough bytes",
    "orrupt",
    "checksum",
    "erializ",
    "WAL",
    "version number",
)


class NothingAudited(SerError):  # noqa: N818 - it says what is so, not what went wrong
    """There is no audit database, or it has nothing of the evolution that was asked for, yet."""


@dataclass(frozen=True)
class AuditDatabase:
    """The audit database at `path`.

    Args:
        patience: how many seconds to wait for whoever holds it.
        seconds: how long what reads it in the sandbox may work; None where somebody else ends it.
    """

    path: Path
    patience: float = 5.0
    seconds: float | None = SECONDS

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in a transaction on an up-to-date schema: committed at the end, rolled back on error.

        Raises:
            AuditBusy: somebody held the file for longer than `patience`.
            SerError: the file is damaged or of another version.
        """
        with being_written(self.path, self.patience) as fresh:
            if not self.path.exists():
                with connect(fresh) as connection:
                    apply_schema(connection)
                put_in_place(fresh, self.path)
            with self._open(read_only=False) as connection:
                prepare_for_bulk(connection)
                connection.execute("BEGIN")
                try:
                    apply_schema(connection)
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")

    @contextmanager
    def reading(self, sandbox: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection; in the sandbox, SQL can reach nothing but the tables, within bounds.

        Raises:
            SerError: the file is missing (`NothingAudited`), damaged, or being written for longer than `patience`
                (`AuditBusy`), or what reads it takes too much time or memory.
        """
        check_own_files(self.path)
        if not self.path.exists():
            raise NothingAudited(
                f"There is no audit database at {self.path} yet: it comes at the end of the first `ser run`."
            )
        with self._open(read_only=True, sandbox=sandbox) as connection, ExitStack() as bounds:
            if sandbox:
                bounds.enter_context(bounded(connection, self.path, self.seconds))
            check_schema(connection)
            yield connection

    @contextmanager
    def _open(self, read_only: bool, sandbox: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            connection = self._connect(read_only, sandbox)
            try:
                yield connection
            finally:
                connection.close()
        except duckdb.Error as error:
            if not self.is_damage(error):
                raise
            raise SerError(
                f"{self.path} is damaged ({str(error).splitlines()[0][:120]}).\n"
                "The artifacts are the truth: `ser audit --rebuild` makes a new one from them."
            ) from error

    def _connect(self, read_only: bool, sandbox: bool) -> duckdb.DuckDBPyConnection:
        """A connection, as soon as nobody is in the way."""
        for last in turns(self.patience):
            try:
                return connect(self.path, read_only, sandbox)
            except duckdb.Error as error:
                if self.is_damage(error):
                    raise
                if not any(sign in str(error) for sign in _HELD):
                    raise SerError(
                        f"{self.path} cannot be opened: {_two_lines(str(error)).splitlines()[0]}\n"
                        "Mend that, or move the file away: `ser audit --rebuild` makes a new one from the artifacts."
                    ) from error
                if last:
                    raise AuditBusy(
                        f"{self.path} is held by another process{_holder(str(error))}.\n"
                        "Close what reads it (a DuckDB shell or a notebook), or try again later."
                    ) from error
        raise AssertionError("the last turn ends it")

    def is_damage(self, error: duckdb.Error) -> bool:
        """Whether `error` is about the bytes of this file, and not about somebody's SQL or another file."""
        if is_full(error):
            return False
        ours = isinstance(error, duckdb.IOException) and self.path.name in str(error)
        deep = type(error) is duckdb.Error or isinstance(
            error, duckdb.SerializationException | duckdb.FatalException | duckdb.InternalException
        )
        return (ours or deep) and any(sign in str(error) for sign in _DAMAGED)


def query(
    path: Path, sql: str, parameters: dict[str, Any] | None = None, patience: float = 5.0
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of one SELECT, in a sandbox: it reads the tables and can do nothing else.

    Raises:
        SerError: there is no database, it is busy or damaged, or the SQL is wrong or not a single SELECT.
    """
    with querying(AuditDatabase(path, patience), sql, parameters) as (columns, rows):
        return columns, list(rows)


@contextmanager
def querying(
    database: AuditDatabase, sql: str, parameters: dict[str, Any] | None = None
) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
    """The same, while the rows come from the database as they are asked for.

    Raises:
        SerError: as `query`, also where rows are asked for.
    """
    with database.reading(sandbox=True) as connection:
        _check_encoding(sql, parameters)
        try:
            statements = connection.extract_statements(sql)
            kinds = {statement.type for statement in statements}
            if len(statements) != 1 or not kinds <= {
                duckdb.StatementType.SELECT,
                duckdb.StatementType.EXPLAIN,
            }:
                raise SerError("The audit is read-only: give one SELECT (or DESCRIBE, SHOW, SUMMARIZE, EXPLAIN).")
            result = connection.execute(statements[0], parameters or {})
            yield (
                [column[0] for column in result.description],
                chain.from_iterable(iter(lambda: result.fetchmany(_ROWS), [])),
            )
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise  # which the bounds explain
        except duckdb.Error as error:
            if database.is_damage(error):
                raise
            raise SerError(f"SQL: {_two_lines(str(error))}") from error


def _check_encoding(sql: str, parameters: dict[str, Any] | None) -> None:
    """Check that DuckDB can take these texts; a command line may hold bytes that are no characters.

    Raises:
        SerError: it cannot.
    """
    try:
        for text in (sql, *(parameters or {}).values()):
            str(text).encode()
    except UnicodeEncodeError as error:
        raise SerError(
            f"SQL: {error.object[:60]!r} is not UTF-8: write it in another way, for instance chr(233)."
        ) from error


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _holder(text: str) -> str:
    """The process that DuckDB names in its message about a lock, in brackets."""
    return f" (process {text.split('(PID ')[1].split(')')[0]})" if "(PID " in text else ""


def _two_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and set(line.strip()) != {"^"}]
    return "\n".join(line[:300] for line in lines[:2])
