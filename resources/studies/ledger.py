"""The file of a study's outcomes: a JSON line each, written whole, so that a study goes on where it was stopped."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from resources.disk import write_text
from resources.locks import only_writer
from resources.settings_file import load_settings
from resources.studies.outcome import AnsweredPairs, Outcome, decisive
from resources.studies.plan import Cell
from ser.errors import SerError


class Ledger:
    """The outcomes of a study, and what ties the test pairs that they are of.

    Raises:
        SerError: the file holds something else.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read()

    def _read(self) -> None:
        path = self.path
        self.outcomes: list[Outcome] = []
        self.tests: dict[str, AnsweredPairs] = {}
        for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, ValidationError) as error:
                raise SerError(
                    f"{path}, line {number}: no outcome of a study.\nDelete the line; it is run again."
                ) from error

    def _take(self, said: dict[str, object]) -> None:
        if "units" in said:
            tests = AnsweredPairs.model_validate(said)
            self.tests[tests.digest] = tests
        else:
            self.outcomes.append(Outcome.model_validate(said))

    def add(self, outcome: Outcome, tests: AnsweredPairs) -> None:
        """Write an outcome down, in the place of an earlier one of the same evolution.

        Several processes may fill one file with different draws: what the others wrote meanwhile stays.
        """
        with only_writer(self.path.parent / f".{self.path.name}.writing"):
            self._read()
            self.tests[tests.digest] = tests
            same = [(one.assignments, one.evolution) for one in self.outcomes]
            if (which := (outcome.assignments, outcome.evolution)) in same:
                self.outcomes[same.index(which)] = outcome
            else:
                self.outcomes.append(outcome)
            lines = [one.model_dump_json() for one in (*self.tests.values(), *self.outcomes)]
            write_text(self.path, "".join(f"{line}\n" for line in lines))

    def find(self, cell: Cell, snapshot: str) -> Outcome | None:
        """The outcome of an evolution of the study under the settings of now, whatever its options were called then."""
        same = [one for one in self.outcomes if one.assignments == cell.assignments and one.snapshot == snapshot]
        now = decisive(load_settings(assignments=cell.assignments)) if same else {}
        found = next((one for one in same if one.is_under(now)), None)
        return None if found is None else found.model_copy(update={"options": cell.options, "dataset": cell.dataset})

    def of(self, cells: Sequence[tuple[Cell, str]]) -> list[Outcome]:
        """The outcomes of these evolutions (each with its snapshot), as far as there are any."""
        return [found for cell, snapshot in cells if (found := self.find(cell, snapshot)) is not None]
