"""The review queue: what comes first, and why."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_fakes import Scores, choose

from ser.method.selection import PairRule, select_pair
from ser.specs import Thresholds

PROBABILITY = st.floats(0, 1).map(lambda p: round(p, 3)) | st.sampled_from([0.45, 0.55, 0.3, 0.6])
SCORES = st.tuples(PROBABILITY, PROBABILITY, st.floats(0.5, 1))
LOOPS = st.lists(
    st.dictionaries(st.sampled_from([f"{i:024x}" for i in range(12)]), SCORES, min_size=1), min_size=1, max_size=3
)


def ids(*names: str) -> list[str]:
    return [f"{name:0>24}" for name in names]


def scores(**rows: tuple[float, float, float]) -> Scores:
    return {f"{name:0>24}": row for name, row in rows.items()}


def reasons(folder: Path, loops: list[Scores], n: int, **more) -> list[tuple[str, str]]:
    return [(one.pair.pair_id.lstrip("0"), one.reason) for one in choose(folder, loops, n, **more)]


def test_near_the_cut_of_status_2_comes_first(tmp_path: Path) -> None:
    pool = scores(far=(0.9, 0.1, 0.9), kept=(0.81, 0.5, 0.8), missed=(0.5, 0.795, 0.7), tie=(0.5, 0.5, 0.5))
    chosen = choose(tmp_path, [pool], 3)
    assert [one.pair.pair_id for one in chosen] == ids("missed", "kept", "tie")
    assert [one.above_cut for one in chosen] == pytest.approx([-0.005, 0.01, -0.3])
    assert chosen[0].why == "the rule of loop 1 was missed by 0.005"
    assert chosen[1].why == "the rule of loop 1 was met by 0.010"
    assert chosen[0].pair.response_a == f"x {ids('missed')[0]}"


def test_near_the_cut_of_status_1_is_where_the_worse_of_its_two_conditions_turns(tmp_path: Path) -> None:
    pool = scores(b=(0.9, 0.44, 0.9), c=(0.9, 0.2, 0.9), d=(0.57, 0.1, 0.9), e=(0.9, 0.48, 0.9))
    chosen = choose(tmp_path, [pool], 4, ["1"])
    assert [one.pair.pair_id for one in chosen] == ids("b", "d", "e", "c")
    assert [one.above_cut for one in chosen] == pytest.approx([0.01, 0.02, -0.03, 0.25])


def test_reasons_take_turns_and_each_pair_comes_once(tmp_path: Path) -> None:
    first = scores(
        a=(0.9, 0.1, 0.9), b=(0.9, 0.1, 0.9), c=(0.6, 0.5, 0.6), d=(0.5, 0.8, 0.7), e=(0.5, 0.82, 0.7)
    )  # fmt: skip
    second = scores(
        a=(0.1, 0.9, 0.95), b=(0.2, 0.9, 0.8), c=(0.5, 0.6, 0.9), d=(0.5, 0.8, 0.7), e=(0.5, 0.82, 0.7)
    )  # fmt: skip
    # a and b contradict the seed RM above the cut; a, b and c flipped, a most; d and e are nearest to the cut.
    expected = [("a", "against_seed"), ("b", "flipped"), ("d", "near_cut"), ("c", "flipped"), ("e", "near_cut")]
    assert reasons(tmp_path, [first, second], 9) == expected
    chosen = choose(tmp_path, [first, second], 9)
    assert chosen[0].why == "loop 2 contradicts the seed RM with confidence 0.950; the rule of loop 2 was met by 0.500"
    assert chosen[3].why == "its label changed once in 2 loops, its probability by up to 0.500"


def test_a_label_that_came_back_flipped_but_is_not_against_the_seed_rm(tmp_path: Path) -> None:
    there, back = scores(a=(0.9, 0.2, 0.9), b=(0.5, 0.5, 0.5)), scores(a=(0.2, 0.9, 0.7), b=(0.5, 0.5, 0.5))
    chosen = choose(tmp_path, [there, back, there], 1)
    assert [(one.reason, one.flips, one.preferred, one.seed_preferred) for one in chosen] == [("flipped", 2, "a", "a")]
    assert chosen[0].swing == pytest.approx(0.6)


def test_a_pair_that_was_kept_is_judged_by_the_loop_that_kept_it(tmp_path: Path) -> None:
    first = scores(a=(0.56, 0.4, 0.9), b=(0.5, 0.5, 0.5))
    chosen = choose(tmp_path, [first, scores(b=(0.9, 0.1, 0.9))], 2, ["1", "2"])
    assert [(one.pair.pair_id.lstrip("0"), one.loop) for one in chosen] == [("a", 1), ("b", 2)]
    assert chosen[0].above_cut == pytest.approx(0.01)


def test_domains_take_turns_within_a_reason(tmp_path: Path) -> None:
    pool = {f"{i:024x}": (0.5, 0.8 + i / 1000, 0.7) for i in range(90)}
    sources = {key: ("big" if i < 80 else "small" if i < 88 else "tiny") for i, key in enumerate(sorted(pool))}
    chosen = choose(tmp_path, [pool], 12, sources=sources)
    counted = {name: sum(one.source == name for one in chosen) for name in ("big", "small", "tiny")}
    assert counted == {"big": 5, "small": 5, "tiny": 2}
    assert [one.source for one in chosen[:3]] == ["big", "small", "tiny"]
    best = [one.above_cut for one in chosen if one.source == "big"]
    assert best == sorted(best)


def test_many_domains_leave_room_for_every_reason(tmp_path: Path) -> None:
    first = {f"{i:024x}": (0.9, 0.2, 0.9) for i in range(100)}
    second = {key: (0.2, 0.9, 0.9) if i < 50 else (0.9, 0.2, 0.9) for i, key in enumerate(sorted(first))}
    sources = {key: f"domain {i}" for i, key in enumerate(sorted(first))}
    found = [reason for _, reason in reasons(tmp_path, [first, second], 10, sources=sources)]
    assert set(found) == {"against_seed", "flipped", "near_cut"}


@settings(max_examples=20, deadline=None)
@given(LOOPS, st.integers(1, 14), st.sampled_from("12"), st.sampled_from([{}, {f"{3:024x}": "x", f"{4:024x}": "y"}]))
def test_a_queue_is_a_part_of_the_pool_without_duplicates_and_its_beginning_does_not_depend_on_its_length(
    loops: list[Scores], n: int, status: str, sources: dict[str, str]
) -> None:
    loops = [loops[0], *({key: one for key, one in loop.items() if key in loops[0]} for loop in loops[1:])]
    rule = PairRule.of_loop("status", status, Thresholds())  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as place:
        statuses = [status] * len(loops)
        chosen = choose(Path(place), loops, n, statuses, sources)
        queue = [one.pair.pair_id for one in chosen]
        assert len(set(queue)) == len(queue) == min(n, len(loops[0]))
        assert set(queue) <= loops[0].keys()
        assert choose(Path(place), loops, 14, statuses, sources)[:n] == chosen
        for one in chosen:
            p_a, p_b, sure = loops[one.loop - 1][one.pair.pair_id]
            kept = select_pair(rule, "hard", p_a, p_b, sure, one.preferred).kept
            assert ((one.above_cut > 0), one.confidence) == (kept, sure)
            assert all(one.pair.pair_id not in later for later in loops[one.loop :])


def test_pairs_that_are_left_out_make_room_for_others_as_if_the_pool_had_not_had_them(tmp_path: Path) -> None:
    first = {f"{i:024x}": (0.9, 0.2, 0.9) if i % 2 else (0.5, 0.79 + i / 100, 0.7) for i in range(30)}
    second = {key: (0.2, 0.9, 0.8 + i / 1000) if i < 20 else one for i, (key, one) in enumerate(first.items())}
    whole = [one.pair.pair_id for one in choose(tmp_path, [first, second], 12)]
    known = frozenset(whole[::2])
    rest = [{key: one for key, one in scores.items() if key not in known} for scores in (first, second)]
    (tmp_path / "other").mkdir()
    chosen = choose(tmp_path, [first, second], 12, left_out=known)
    assert len(chosen) == 12 and not known & {one.pair.pair_id for one in chosen}
    assert chosen == choose(tmp_path / "other", rest, 12)


def test_a_folder_is_read_whatever_characters_are_in_its_name(tmp_path: Path) -> None:
    here, other = tmp_path / "z[b]y's *?", tmp_path / "zby's *?"
    pool = scores(a=(0.9, 0.1, 0.9))
    for folder, source in ((other, "the neighbour's"), (here, "mine")):
        folder.mkdir()
        (chosen,) = choose(folder, [pool], 1, sources=dict.fromkeys(pool, source))
    assert chosen.source == "mine"
