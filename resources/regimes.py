"""The regimes on record: what studies measured, as data that comes along."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from ser.errors import SerError
from ser.method.advice import Regime
from ser.specs import Spec

RECORD = Path(__file__).with_name("regimes.toml")


class _Record(Spec):
    """The file: a table `[[regime]]` for each."""

    regime: tuple[Regime, ...] = ()


def read_regimes(path: Path = RECORD) -> tuple[Regime, ...]:
    """All that are on record.

    Raises:
        SerError: the file cannot be read, or says something impossible; names the place.
    """
    try:
        return _Record.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).regime
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise SerError(f"{path}: {place}: {problem['msg'].removeprefix('Value error, ')}.") from error
    except (OSError, ValueError) as error:
        raise SerError(f"{path} cannot be read: {error}.") from error
