"""Assets that run when any of what they come after was made, and not only when all of it was."""

import inspect
from collections.abc import Sequence

import dagster as dg

from assets.links import code_of
from assets.ser_resource import SNAPSHOTS


def fan_in(
    op: dg.OpDefinition,
    after: Sequence[str],
    *,
    name: str,
    description: str,
    group: str,
    kinds: set[str],
) -> dg.AssetsDefinition:
    """The asset `name`, which `op` makes after the assets of the keys `after`.

    A graph asset whose op takes a list of nothings: a plain dependency on an asset that is skipped, such as a loop
    after the last one or a policy that nobody asked for, would be skipped with it.
    """
    inputs = {key.replace("/", "_"): dg.AssetKey(key.split("/")) for key in after}

    def compose(**made):
        return op(list(made.values()))

    # Dagster reads the inputs of a graph from the signature, and their number is known only here.
    compose.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in inputs]
    )
    return dg.graph_asset(  # type: ignore[call-overload]
        compose,
        name=name,
        description=description,
        ins={name: dg.AssetIn(key=key, dagster_type=dg.Nothing) for name, key in inputs.items()},
        group_name=group,
        partitions_def=SNAPSHOTS,
        kinds=kinds,
        metadata=code_of(inspect.unwrap(op)),
    )
