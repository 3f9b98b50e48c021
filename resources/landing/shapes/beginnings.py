"""The beginning that two responses share: a prompt repeated in both, or the only one there is."""


def repeats(prompt: str, one: str, other: str) -> bool:
    """Whether both responses begin with the prompt, and not with a greeting that happens to be the same."""
    if not (one.startswith(prompt) and other.startswith(prompt)) or len(prompt) in (len(one), len(other)):
        return False
    long_enough = len(prompt.split(maxsplit=1)) > 1 or (not prompt.isascii() and len(prompt) > 3)
    ends = not prompt[-1].isalnum() or (one[len(prompt)] == other[len(prompt)] == "\n")
    return long_enough and ends


def shared_beginning(one: str, other: str) -> str:
    """The words that two texts without a prompt begin with.

    Raises:
        ValueError: they are too few to be one.
    """
    one, other = one.strip(), other.strip()
    differs = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    shared = one[:differs]
    shared = shared[: max(shared.rfind(space) for space in " \n\t") + 1].rstrip()
    if len(shared.split(maxsplit=1)) < 2:
        raise ValueError("no prompt, and the responses share no beginning: name its column with --map prompt=COLUMN")
    return shared
