"""What is wrong with a piece of JSON, in words that say how to mend it."""

import re
from json import JSONDecodeError

Fault = ValueError | RecursionError
"""What Python's decoder raises; only a `JSONDecodeError` knows the place."""

_PYTHON = re.compile(r"'|(None|True|False)\b")
_COMMENT = re.compile(r"//|/\*|#")
_LAST_SIGNS = 10
"""The longest word of JSON (`-Infinity`) or escape that can be cut off at an end."""


def explain(fault: Fault, text: str) -> str:
    """Why `text` could not be decoded; the variable part, if there is one, is the decoder's own words."""
    if isinstance(fault, RecursionError):
        return "malformed JSON: nested too deep"
    if not isinstance(fault, JSONDecodeError):
        return "malformed JSON: a number of too many digits"
    here = text[fault.pos : fault.pos + _LAST_SIGNS]
    before = text[max(0, fault.pos - _LAST_SIGNS) : fault.pos].rstrip()
    if _PYTHON.match(here):
        return "malformed JSON: written as Python, not JSON: use json.dumps"
    if _COMMENT.match(here):
        return "malformed JSON: a comment, which JSON does not have: take it out"
    if here[:1] in ("}", "]") and before.endswith(","):
        return "malformed JSON: a comma before the closing bracket: take it out"
    return f"malformed JSON: {fault.msg.removesuffix(' at').removesuffix(' starting')}"


def is_cut(fault: Fault, text: str) -> bool:
    """Whether more text could still mend it: the fault stands at the end."""
    if not isinstance(fault, JSONDecodeError):
        return False
    return fault.msg.startswith("Unterminated string") or fault.pos + _LAST_SIGNS >= len(text)


def is_open(fault: Fault, text: str) -> bool:
    """Whether it stops where a new line may follow, as pretty-printed JSON does; a string may not be broken."""
    return isinstance(fault, JSONDecodeError) and fault.pos >= len(text)
