"""The weights of a model folder as the headers of its safetensors files describe them; no weight is read."""

import struct
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ser.errors import SerError, shortened
from ser.models.folder_files import parse_json, read_json, some_of, unreadable, wording

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = frozenset(("F64", "F32", "F16", "BF16"))
"""Types whose numbers are what they say, and are rounded to the arithmetic of a run."""

_MOST_FILES = 10_000
_LONGEST_HEADER = 32 * 2**20
_OTHER_LAYOUT = "shard-*-model-*.safetensors"
"""What transformers would prefer to the files that everybody looks at."""


@dataclass(frozen=True)
class Weight:
    """A tensor in a file: its shape, its type in safetensors' words, and the file."""

    shape: tuple[int, ...]
    dtype: str
    file: str


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads the weights of a folder from.

    Raises:
        SerError: there are none, there are two sets of them, or the index of the folder names others.
    """
    other = sorted(folder.glob(_OTHER_LAYOUT))
    if other:
        raise unreadable(folder, f"it has a distributed checkpoint, {other[0].name}, which is not read")
    if not (folder / INDEX).is_file():
        if (folder / WEIGHTS).is_file():
            return [folder / WEIGHTS]
        raise unreadable(folder, f"it has neither {WEIGHTS} nor {INDEX}; nothing else is read, a pickle may hold code")
    shards = _shards(folder)
    if (folder / WEIGHTS).is_file() and shards != [WEIGHTS]:
        raise unreadable(folder, f"it has {WEIGHTS} and the files that {INDEX} names, which may be other weights")
    return [folder / name for name in shards]


def _shards(folder: Path) -> list[str]:
    try:
        places = read_json(folder / INDEX, unique=True)["weight_map"]
        names = sorted(set(places.values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise unreadable(folder, f"{INDEX}: {shortened(error)}") from error
    if len(names) > _MOST_FILES:
        raise unreadable(folder, f"{INDEX} names {len(names):,} files")
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise unreadable(folder, f"{INDEX} names {str(name)[:100]!r}, which is no safetensors file of the folder")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not names:
        raise unreadable(folder, f"{missing[0]}, which {INDEX} names, is missing" if missing else f"{INDEX} is empty")
    return names


def read_headers(folder: Path) -> dict[str, Weight]:
    """Every tensor of a folder by its name.

    Raises:
        SerError: a file is damaged, or two of them have a tensor of one name.
    """
    found: dict[str, Weight] = {}
    for path in weight_files(folder):
        header = read_header(path)
        twice = sorted(header.keys() & found.keys())
        if twice:
            raise unreadable(folder, f"{path.name} and {found[twice[0]].file} both have {twice[0]}")
        found |= header
    return found


def read_header(path: Path) -> dict[str, Weight]:
    """The tensors of one file, which is as long as its header says, with nothing twice and nothing between.

    Raises:
        SerError: it is damaged.
    """
    try:
        # The library takes the last of two tensors of one name, and reads whatever else is wrong for what it is.
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError(f"its header has {length:,} bytes")
            header = parse_json(file.read(length), unique=True)
        with safe_open(path, framework="numpy"):
            pass
        header.pop("__metadata__", None)
        return {name: Weight(tuple(one["shape"]), one["dtype"], path.name) for name, one in header.items()}
    except (OSError, ValueError, struct.error, SafetensorError) as error:
        raise unreadable(path.parent, f"{path.name}: {shortened(error)}") from error


def refuse_types(folder: Path, weights: Mapping[str, Weight], own: Container[str]) -> None:
    """Refuse weights that are no plain numbers: quantised ones would be read for what they are not.

    Args:
        own: the names of the model's weights; old checkpoints hold masks and positions besides, which are integers.

    Raises:
        SerError: names some of them.
    """
    other = [
        wording(f"{name} ({weight.dtype})")
        for name, weight in weights.items()
        if weight.dtype not in FLOATS and (name in own or name.endswith("weight"))
    ]
    if other:
        raise SerError(
            f"{folder} has weights that are quantised or no numbers, for which no setting asks: {some_of(other)}. "
            "Use the folder of the model as it was before."
        )
