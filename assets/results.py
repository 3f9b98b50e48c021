"""What an asset tells Dagster about what it made: its version, and metadata worth reading."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from resources import asset_keys as keys
from resources.artifacts import Artifact, Part
from resources.evolution import Evolution
from resources.reporting.charts import histogram
from resources.reporting.vega import as_markdown
from ser.data import tables
from ser.data.pairs import readable_prompt
from ser.method.stats import gain
from ser.terminal import printable

_EXAMPLE_PAIRS = """
WITH chosen AS (SELECT pair_id, preferred, reason FROM filtered WHERE {kept} ORDER BY pair_id LIMIT 3)
SELECT p.prompt, if(c.preferred = 'a', p.response_a, p.response_b), if(c.preferred = 'a', p.response_b, p.response_a),
       l.confidence, c.reason
FROM chosen c JOIN pool p USING (pair_id) JOIN self_labels l USING (pair_id) ORDER BY pair_id
"""
_EXCERPT = 160


def materialized(
    evolution: Evolution, artifact: Artifact, metadata: Mapping[str, Any] | None = None
) -> dg.MaterializeResult:
    """The artifact as Dagster's result: its version is the data version."""
    return dg.MaterializeResult(
        metadata=described(evolution, artifact) | dict(metadata or {}), data_version=dg.DataVersion(artifact.version)
    )


def passed_through(evolution: Evolution, part: Part) -> dg.MaterializeResult:
    """Something that is not ours as Dagster's result: its digest is the data version."""
    metadata: dict[str, Any] = {
        "evolution": evolution.identity,
        "path": dg.MetadataValue.path(str(part.path)),
        "digest": part.digest,
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(part.digest[:16]))


def described(evolution: Evolution, artifact: Artifact) -> dict[str, Any]:
    """The evolution, where the artifact is, whether it was made now, and the numbers of its summary."""
    plain = {key: value for key, value in artifact.summary.items() if isinstance(value, int | float | str)}
    return {
        "evolution": evolution.identity,
        "path": dg.MetadataValue.path(str(artifact.path)),
        "version": artifact.version,
        "reused": artifact.reused,
        "seconds": float(artifact.manifest["seconds"]),
    } | plain


def measured(heldout: Artifact) -> dict[str, Any]:
    """The accuracy of a reward model and its baseline with intervals, as plottable numbers and as sentences."""
    metadata: dict[str, Any] = {"temperature": heldout.summary["temperature"]}
    for split, metrics in heldout.summary["metrics"].items():
        metadata |= {f"{split}_{name}": metrics[name]["value"] for name in metrics if name.startswith("ece")}
        for name in ("accuracy", "longer_wins"):
            measure = metrics[name]
            metadata[f"{split}_{name}"] = measure["value"]
            metadata[f"{split}_{name}_interval"] = (
                f"{measure['value']:.1%} (95 % interval {measure['ci_low']:.1%} to {measure['ci_high']:.1%}, "
                f"{measure['n']} pairs)"
            )
    return metadata


def gained_over_seed(evolution: Evolution, heldout: Artifact) -> dict[str, Any]:
    """What a reward model gains over the seed on the test pairs, as a plottable number and as a sentence."""
    seed = evolution.heads.get(keys.heldout_of(keys.SEED_RM))
    before, after = (tables.right(one.path / "heldout.parquet", "test") for one in (seed, heldout))
    tied = tables.groups(evolution.pairs("test").path)
    found = gain([before[pair] for pair in after], list(after.values()), [tied[pair] for pair in after])
    words = f"{found.value:+.1%} (95 % interval {found.low:+.1%} to {found.high:+.1%}, {len(after)} test pairs)"
    return {"gain_over_seed": found.value, "gain_over_seed_interval": words}


def picture(
    table: Path, values: str, title: str, xlabel: str, ylabel: str, marks: Mapping[str, float] | None = None
) -> dg.MetadataValue:
    """A histogram, which the UI shows, of an SQL expression over the rows of a parquet table."""
    edges, counts = tables.binned(table, values)
    return dg.MetadataValue.md(as_markdown(histogram(edges, counts, title, xlabel, ylabel, marks), title))


def examples(encoded: Artifact, labelled: Artifact, filtered: Artifact) -> dict[str, dg.MetadataValue]:
    """A few pairs that were kept and a few that were not, with the reason, as tables."""
    files = {
        "filtered": filtered.path / "filtered.parquet",
        "pool": encoded.path / "pool.parquet",
        "self_labels": labelled.path / "self_labels.parquet",
    }
    return {
        name: dg.MetadataValue.md(_table(tables.ask(_EXAMPLE_PAIRS.format(kept=kept), **files)))
        for name, kept in (("examples_kept", "kept"), ("examples_not_kept", "NOT kept"))
    }


def _table(rows: Sequence[tuple[Any, ...]]) -> str:
    lines = ["| prompt | preferred | other | confidence | reason |", "| --- | --- | --- | --- | --- |"]
    for prompt, preferred, other, confidence, reason in rows:
        texts = (_excerpt(text) for text in (readable_prompt(prompt), preferred, other))
        lines.append(f"| {' | '.join([*texts, f'{confidence:.2f}', reason.replace('|', chr(92) + '|')])} |")
    return "\n".join(lines)


def _excerpt(text: str) -> str:
    """The beginning of a text, unable to break the table or to be read as markup."""
    short = printable(" ".join(text.split()))
    short = short if len(short) <= _EXCERPT else f"{short[:_EXCERPT]}…"
    return "".join(f"&#{ord(char)};" if char in "|<>`*_~[]!&\\" else char for char in short)
