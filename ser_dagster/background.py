"""Work that goes on from one tick of a sensor to the next: what takes an hour holds up nothing else.

It goes on in threads, which end with the code location; whatever they were at is found and begun again by a later tick.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")


THREADS = 64
"""Pieces of work that are at hand at a time: as many may wait for ever, and others still get their turn."""


class Background(Generic[T]):
    """Pieces of work by name, of which there is one of a name at a time; they begin in the order in which they came."""

    def __init__(self) -> None:
        self._work: dict[str, tuple[Future[T], float]] = {}
        self._next: deque[tuple[Callable[[], T], Future[T]]] = deque()
        self._threads = 0
        self._lock = threading.Lock()  # a tick may be tried out in the UI beside another

    def begin(self, name: str, action: Callable[[], T]) -> None:
        """Begin a piece of work, unless the one of this name is still going on or its result has not been taken."""
        with self._lock:
            if name in self._work:
                return
            result: Future[T] = Future()
            self._work[name] = result, time.monotonic()
            self._next.append((action, result))
            if self._threads == THREADS:
                return
            self._threads += 1
        threading.Thread(target=self._do_all, daemon=True).start()

    def results(self, names: Collection[str], seconds: float) -> dict[str, T]:
        """Wait for these pieces, at most so long, and take the results of those that have ended, each once.

        Raises:
            Exception: what one of them raised.
        """
        with self._lock:
            work = {name: self._work[name][0] for name in names if name in self._work}
        wait(work.values(), timeout=seconds)
        with self._lock:
            ended = [name for name, result in work.items() if result.done() and self._is(name, result)]
            for name in ended:
                del self._work[name]
        return {name: work[name].result() for name in ended}

    def going_on(self) -> dict[str, float]:
        """The names of what has not been taken, and since how many seconds it goes on."""
        with self._lock:
            return {name: time.monotonic() - began for name, (_, began) in self._work.items()}

    def _do_all(self) -> None:
        while True:
            with self._lock:
                if not self._next:
                    self._threads -= 1
                    return
                action, result = self._next.popleft()
            _do(action, result)

    def _is(self, name: str, result: Future[T]) -> bool:
        return name in self._work and self._work[name][0] is result


def _do(action: Callable[[], T], result: Future[T]) -> None:
    try:
        result.set_result(action())
    except BaseException as error:  # noqa: BLE001 - whoever takes the result gets it
        result.set_exception(error)
