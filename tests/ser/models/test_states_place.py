"""Where states are kept follows from what they take and how often they are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.models.states.place import Room, choose_place

ROOM = Room(gpu=60 * 10**9, host=100 * 10**9, disk=1000 * 10**9)


def place(needed: float, passes: float = 6, seconds: tuple[float, float] = (1.0, 1.0), room: Room = ROOM, **how) -> str:
    how = {"asked": "auto", "on_gpu": True} | how
    return choose_place(int(needed), room, passes=passes, seconds=lambda: seconds, **how).place


@pytest.mark.parametrize(
    ("needed", "wanted"), [(0, "gpu"), (17e9, "gpu"), (19e9, "host"), (49e9, "host"), (51e9, "none")]
)
def test_memory_first(needed: float, wanted: str) -> None:
    assert place(needed) == wanted


@pytest.mark.parametrize(
    ("passes", "computing", "writing", "wanted"),
    [
        (1, 100, 1, "none"),  # read once: they are computed once either way, and then written for nothing
        (6, 100, 10, "disk"),  # 160 against 600 seconds
        (6, 100, 70, "disk"),  # 100 + 420
        (6, 100, 90, "none"),  # 100 + 540
        (20, 15, 4, "disk"),
    ],
)  # fmt: skip
def test_the_disk_where_it_is_faster(passes: float, computing: float, writing: float, wanted: str) -> None:
    assert place(200e9, passes, (computing, writing)) == wanted


def test_without_disk_space_nowhere_and_on_a_processor_always_on_disk() -> None:
    assert place(900e9, 100, (100.0, 1.0)) == "none"
    assert place(900e9, 1, on_gpu=False) == "disk"
    assert place(1, asked="none") == "none"


@given(st.integers(0, 10**13), st.floats(1, 100), st.floats(0.1, 1e4), st.floats(0.1, 1e4))
def test_nothing_is_kept_where_there_is_no_room(needed: int, passes: float, computing: float, writing: float) -> None:
    found = place(needed, passes, (computing, writing))
    limits = {"gpu": 0.3 * ROOM.gpu, "host": 0.5 * ROOM.host, "disk": 0.8 * ROOM.disk, "none": float("inf")}
    assert needed <= limits[found]
    if found == "disk":
        assert max(computing, writing) + passes * writing < passes * computing
