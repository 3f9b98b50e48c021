"""The models of one data set on the test pairs of another, in studies that ask for it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from resources.evolution import Evolution
from resources.locks import own_evolution
from resources.measuring import measure_on
from resources.studies.ledger import Ledger
from resources.studies.outcome import SEED, AnsweredPairs, Outcome, Transfer, bits, in_order
from resources.studies.plan import Cell
from ser.data import tables
from ser.errors import SerError

_OWN = ("seed", "calibration", "pool")
_OTHERS = f"""
SELECT pair_id, unit FROM test
WHERE prompt NOT IN ({" UNION ALL ".join(f"SELECT prompt FROM {role}" for role in _OWN)})
"""


def missing_transfers(cells: Sequence[tuple[Cell, str]], ledger: Ledger) -> Iterator[tuple[Cell, Outcome, Outcome]]:
    """Where the evolutions of a draw and combination of options have ended for all data sets: what is not there yet.

    That is the answers of one's models, in the outcome of `Cell`, on the test pairs of another.
    """
    groups: dict[tuple[object, ...], list[tuple[Cell, str]]] = {}
    for cell, snapshot in cells:
        groups.setdefault((cell.draw, *cell.options.items()), []).append((cell, snapshot))
    for group in groups.values():
        found = [(cell, ledger.find(cell, snapshot)) for cell, snapshot in group]
        ended = [(cell, outcome) for cell, outcome in found if outcome is not None]
        if len(ended) < len(group):
            continue
        for cell, outcome in ended:
            for _, other in ended:
                known = outcome.transfers.get(other.dataset)
                if other.dataset != outcome.dataset and (known is None or known.snapshot != other.snapshot):
                    yield cell, outcome, other


def transfer(work: Evolution, other: Evolution, last_loop: int, owner: str) -> tuple[Transfer, AnsweredPairs]:
    """What the seed RM and the model of the last loop of `work` say of the test pairs of `other`.

    Args:
        owner: who owns both evolutions meanwhile.

    Raises:
        SerError: another process works on one of them, an artifact is not there any more, or all prompts are its own.
    """
    with ExitStack() as owned:
        for one in sorted((work, other), key=lambda one: one.identity):
            owned.enter_context(own_evolution(work.root, one.identity, owner))
        tests = other.pairs("test").path
        units = dict(tables.ask(_OTHERS, test=tests, **{role: work.pairs(role).path for role in _OWN}))
        if not units:
            raise SerError(
                f"every test prompt of {other.dataset} is one of {work.dataset}, so nothing can be transferred.\n"
                "Study data sets that share no prompts."
            )
        order, answered = in_order(units)
        names = {SEED: 0, **({f"loop_{last_loop}": last_loop} if last_loop else {})}
        answers = {name: bits(measure_on(work, loop, other), order) for name, loop in names.items()}
    left_out = tables.count(tests) - len(order)
    return Transfer(tests=answered.digest, answers=answers, snapshot=other.snapshot, left_out=left_out), answered
