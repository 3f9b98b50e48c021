"""Work beside the ticks: each piece is done once and its result taken once, whoever asks, on so many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ser_dagster import background
from ser_dagster.background import Background


def test_two_ticks_at_a_time_take_each_result_once() -> None:
    work: Background[str] = Background()
    names, done = list("abcd"), list[str]()

    def tick(_: int) -> list[str]:
        for name in names:
            work.begin(name, partial(_do, done, name))
        return [name for _ in range(200) for name in work.results(work.going_on(), 0.001)]

    with ThreadPoolExecutor(4) as ticks:
        taken = [name for found in ticks.map(tick, range(40)) for name in found]
    taken += work.results(work.going_on(), 5)
    assert sorted(taken) == sorted(done)
    assert work.going_on() == {}


def _do(done: list[str], name: str) -> str:
    done.append(name)
    return name


def test_there_are_so_many_threads_and_the_rest_comes_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "THREADS", 3)
    work: Background[int] = Background()
    free, most, before = threading.Event(), list[int](), threading.active_count()

    def wait(number: int) -> int:
        most.append(threading.active_count() - before)
        free.wait(10)
        return number

    for number in range(50):
        work.begin(str(number), partial(wait, number))
    assert work.results(["0", "1"], 0.05) == {}
    assert sorted(work.going_on()) == sorted(map(str, range(50)))
    free.set()
    assert work.results(work.going_on(), 10) == {str(number): number for number in range(50)}
    assert max(most) <= 3


def test_what_is_begun_later_is_done_by_a_new_thread() -> None:
    work: Background[int] = Background()
    for number in range(3):
        work.begin("one", lambda number=number: number)
        assert work.results(["one"], 5) == {"one": number}
