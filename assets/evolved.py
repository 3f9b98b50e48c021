"""The promoted reward model: the fan-in of the seed RM and every loop."""

import inspect
import warnings

import dagster as dg

from assets.gate import is_closed, seed_data, seed_gate
from assets.results import described
from assets.ser_resource import SNAPSHOTS, SerResource
from resources.artifacts import Artifact
from resources.audit.record import model_of
from resources.code_version import code_version
from resources.workshop import Workshop
from ser.errors import SerError
from ser.stages.promote import PromoteSpec

# The only way for an op to state a data version; the versions of Dagster are pinned, so its beta is no surprise.
warnings.filterwarnings("ignore", "Parameter `data_version`", dg.BetaWarning)


def finished_models(work: Workshop) -> list[str]:
    """The asset keys of this run's reward models: the seed RM and, behind an open gate, the loops up to convergence.

    It follows the gate and the status reports, never the mere presence of a model: one of an earlier run may be there.
    """
    keys = ["seed_rm"]
    loops = 0 if is_closed(work) else work.settings.loops
    for k in range(1, loops + 1):
        if _has_converged(work, k):
            break
        keys.append(model_of(k))
    return keys


def require_model(work: Workshop, loop: int) -> None:
    """Check that this run trains a reward model in `loop`, whatever an earlier run has left there.

    Raises:
        SerError: it does not; says why.
    """
    if is_closed(work):
        raise SerError(
            f"loop {loop} has no reward model: the seed RM is {seed_gate(work).words}.\n"
            "Run with `ser run --anyway` (the setting anyway) to go on in spite of that."
        )
    for k in range(1, loop + 1):
        if _has_converged(work, k):
            raise SerError(f"loop {loop} has no reward model: the run converged in loop {k}. Choose an earlier loop.")


def _has_converged(work: Workshop, loop: int) -> bool:
    return work.heads.get(f"loop_{loop}/status_report").summary["status"] == "converged"


def promoted(work: Workshop) -> Artifact:
    """Choose among the finished models and let `evolved_rm` stand for the choice."""
    keys = finished_models(work)
    spec = PromoteSpec(
        loops=list(range(len(keys))),
        rm_versions=[work.heads.get(key).version for key in keys],
        rule=work.settings.promotion,
        seed=seed_data(work),
        anyway=work.settings.anyway,
    )
    heldout = [work.heads.get(f"{key}.heldout").part("heldout.parquet") for key in keys]
    calibration = work.pairs("calibration")
    return work.make("evolved_rm", "promote", spec, {"heldout": heldout, "calibration": calibration})


def promoted_model(work: Workshop) -> Artifact:
    """The reward model that `evolved_rm` stands for."""
    return work.heads.get(model_of(work.heads.get("evolved_rm").summary["promoted_loop"]))


@dg.op(ins={"reward_models": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def promote(context: dg.OpExecutionContext, ser: SerResource):
    """Compare the seed RM and every loop's RM on the calibration pairs."""
    artifact = promoted(ser.workshop(context))
    yield dg.Output(None, metadata=described(artifact), data_version=dg.DataVersion(artifact.version))


def evolved_rm(loops: int) -> dg.AssetsDefinition:
    """The asset `evolved_rm` over `loops` loops.

    A graph asset whose op takes a list of nothings: it runs when any of the models was made, where a plain
    dependency on the RM of a skipped loop would be skipped with it.
    """
    keys = {f"rm_{k}": dg.AssetKey(model_of(k).split("/")) for k in range(loops + 1)}

    def compose(**models):
        return promote(list(models.values()))

    # Dagster reads the inputs of a graph from the signature, and their number is known only here.
    compose.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in keys]
    )
    return dg.graph_asset(  # type: ignore[call-overload]
        compose,
        name="evolved_rm",
        description="The promoted reward model, chosen on calibration pairs.",
        ins={name: dg.AssetIn(key=key, dagster_type=dg.Nothing) for name, key in keys.items()},
        group_name="reward_models",
        partitions_def=SNAPSHOTS,
        code_version=code_version("ser.stages.promote"),
    )
