"""Why rows do not land: counting reasons that differ in a name or a number only, and what would mend them."""

import re

VARIABLE = r"""'[^']*'|"[^"]*"|[0-9][0-9,.]*"""
"""What differs from row to row in one reason: it stands in quotes, or is a number."""

_REMEDIES = (
    (r"are equal", "Nothing can be learned from two equal responses: leave such rows out."),
    (r"contradicts", "One annotator gave two labels: keep the right one. Others need other names in `annotator`."),
    (r"--map|--values|looks like a label|missing field|no known shape", "Say what the columns are: "
     "ser land FILE --dataset NAME --map FIELD=COLUMN,… --values FROM=TO,…, tried with --dry-run."),
    (r"JSON|Python", "Write the rows with json.dumps, one a line, or save them as parquet."),
    (r"undecodable|UTF-8", "Save the file as UTF-8, and land it again."),
    (r"tool", "Leave conversations with tool calls out: reward models here read text only."),
    (r"image|audio|video", "Leave such rows out: reward models here read text only."),
    (r"template", "Give the messages themselves, not text that is already in a chat template."),
    (r"is empty|without text|too long|over 1 MB|could be meant", "Mend or leave out these rows."),
    (r"role", "Use one of seed, calibration, test, pool, unused, train, or leave the role out."),
)  # fmt: skip
_OTHERWISE = "Mend these rows in a file of their own, and land it: what has landed is not landed twice."


def fold(reason: str) -> str:
    """A reason without what differs from row to row."""
    return re.sub(VARIABLE, "…", reason)


def remedy(reason: str) -> str:
    """What would mend rows of this reason."""
    return next((words for pattern, words in _REMEDIES if re.search(pattern, reason)), _OTHERWISE)
