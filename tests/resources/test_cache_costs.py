"""What making states took, where those of some pairs were copied."""

import json
from pathlib import Path

import pytest

from resources.caches import COST, INDEX, cost_of_states, fill_states
from resources.launchers import in_process
from ser.data.encoded import ENCODED_NAME, write_encoded
from ser.data.encoding import EncodedPair
from ser.progress import silent
from ser.specs import Arithmetic, Execution
from ser.stages.job import Job
from ser.stages.trunk import TrunkSpec
from tests.models import encoded_pairs


def filled(backbone: Path, pairs: list[EncodedPair], out: Path, *earlier: Path) -> tuple[Path, int]:
    """The folder with the states of pairs, and their tokens."""
    out.mkdir(parents=True)
    write_encoded(pairs, out)
    inputs = {"encoded": out / ENCODED_NAME, "backbone": backbone, "earlier": list(earlier), "passes": 9.0}
    job = Job.of("trunk", TrunkSpec(arithmetic=Arithmetic(), top=0.5), inputs, out, Execution(cache="disk"))
    assert fill_states(job, in_process, silent).startswith("on disk")
    return out, sum(map(len, pairs))


def took(folder: Path, seconds: float, peak: int) -> None:
    cost = json.loads((folder / COST).read_text())
    assert cost["seconds"] > 0 and cost["cpu_seconds"] > 0
    (folder / COST).write_text(json.dumps(cost | {"seconds": seconds, "cpu_seconds": 2 * seconds, "peak_memory": peak}))


def test_copied_states_count_at_what_they_were_made_for(tiny_backbone: Path, tmp_path: Path) -> None:
    pairs = encoded_pairs(tiny_backbone, 40)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / INDEX).write_bytes(b"")
    first, of_first = filled(tiny_backbone, pairs[:30], tmp_path / "trunk" / "first", damaged, tmp_path / "gone")
    took(first, 10.0, 500)
    own = cost_of_states(first, of_first)
    assert own is not None and (own["seconds"], own["cpu_seconds"], own["peak_memory"]) == (10, 20, 500)

    second, of_second = filled(tiny_backbone, pairs[10:], tmp_path / "trunk" / "second", first)
    took(second, 3.0, 100)
    new, copied = sum(map(len, pairs[30:])), sum(map(len, pairs[10:30]))
    found, rate = cost_of_states(second, of_second), 13.0 / (of_first + new)
    assert found is not None and new + copied == of_second
    assert found["seconds"] == pytest.approx(3 + copied * rate)
    assert found["cpu_seconds"] == pytest.approx(6 + 2 * copied * rate)
    assert found["peak_memory"] == 500

    third, of_third = filled(tiny_backbone, pairs[5:15], tmp_path / "trunk" / "third", first, second)
    took(third, 0.0, 1)
    whole = cost_of_states(third, of_third)
    assert whole is not None and whole["seconds"] == pytest.approx(of_third * rate)
    for folder in (first, second):
        (folder / COST).unlink()
    assert cost_of_states(third, of_third) is None
