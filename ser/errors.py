"""The one error that users are meant to read."""


class SerError(Exception):
    """Something the user can mend. The message is one or two lines: what is wrong, and what to do."""


def is_failure(error: BaseException) -> bool:
    """Whether something that was called failed: a panic of a library in Rust is no ordinary error for Python."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def shortened(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
