"""Work that goes on from one tick of a sensor to the next: what takes an hour holds up nothing else.

It goes on in threads, which end with the code location; whatever they were at is found and begun again by a later tick.
"""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Pieces of work by name, of which there is one of a name at a time."""

    def __init__(self) -> None:
        self._work: dict[str, tuple[Future[T], float]] = {}

    def begin(self, name: str, action: Callable[[], T]) -> None:
        """Begin a piece of work, unless the one of this name is still going on or its result has not been taken."""
        if name not in self._work:
            result: Future[T] = Future()
            self._work[name] = result, time.monotonic()
            threading.Thread(target=_do, args=(action, result), name=name, daemon=True).start()

    def results(self, names: Collection[str], seconds: float) -> dict[str, T]:
        """Wait for these pieces, at most so long, and take the results of those that have ended.

        Raises:
            Exception: what one of them raised.
        """
        work = {name: self._work[name][0] for name in names}
        wait(work.values(), timeout=seconds)
        return {name: self._work.pop(name)[0].result() for name, result in work.items() if result.done()}

    def going_on(self) -> dict[str, float]:
        """The names of what has not been taken, and since how many seconds it goes on."""
        return {name: time.monotonic() - began for name, (_, began) in self._work.items()}


def _do(action: Callable[[], T], result: Future[T]) -> None:
    try:
        result.set_result(action())
    except BaseException as error:  # noqa: BLE001 - whoever takes the result gets it
        result.set_exception(error)
