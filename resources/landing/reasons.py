"""Why rows do not land: counting reasons that differ in a name or a number only, and what would mend them."""

import re

VARIABLE = r"""'[^']*'|"[^"]*"|[0-9][0-9,.]*"""
"""What differs from row to row in one reason: it stands in quotes, or is a number."""

_MAP = "Say what the columns are: ser land FILE --dataset NAME --map FIELD=COLUMN,… --values FROM=TO,… --dry-run."
_REMEDIES = (
    (r"contradicts", "One annotator gave two labels: keep the right one. Others need other names in `annotator`."),
    (r"landed before", "Run ser forget DATASET, and land its files again with the right --map and --values."),
    (r"equal responses", "Nothing can be learned from two equal responses: leave such rows out."),
    (r"tool calls|parts are not supported|a part that is no text", "Leave such rows out: only text is read here."),
    (r"^role ", "Write seed, calibration, test, pool, unused, train or validation; or, where the column means "
     "something else, read no role: ser land FILE --dataset NAME --map role="),
    (r"^'(system|group|source|annotator)'", "Where the column means something else, read it as none: ser land FILE "
     "--dataset NAME --map FIELD="),
    (r"'system' and the system message", "Where the column means something else: ser land FILE --dataset NAME "
     "--map system="),
    (r"could mean either|may say a, b or tie|looks like a label|nothing to compare|no known form|under a known name"
     r"|--map|wrong type|no list of|not built like", _MAP),
    (r"template", "Give the messages themselves, not text that is already in a chat template."),
    (r"stands twice in one object", "Write every key once: json.dumps does."),
    (r"^(a line|a row|an object|over|other columns|HTML) .*(characters|columns|values|bytes)|name of a column of over",
     "Leave out the columns that say nothing about the pair, or these rows."),
    (r"malformed JSON|JSON", "Write the rows with json.dumps, one a line, or save them as parquet."),
    (r"malformed CSV|columns, the header", "Quote cells with commas or line breaks, or save the table as parquet."),
    (r"undecodable|not UTF-8|lone surrogate|NUL", "Save the text as UTF-8, without what is no text."),
    (r"is empty|no text|without text|ends with|could be meant", "Mend these rows, or leave them out."),
)  # fmt: skip
_OTHERWISE = "Mend these rows in a file of their own, and land it: what has landed is not landed twice."
_FILE = "Mend the file as its reason says, and land it again; or take it away."


def fold(reason: str) -> str:
    """A reason without what differs from row to row."""
    return re.sub(VARIABLE, "…", reason)


def remedy(reason: str, whole_file: bool) -> str:
    """What would mend rows, or a whole file, of this reason."""
    if whole_file:
        return _FILE
    return next((words for pattern, words in _REMEDIES if re.search(pattern, reason)), _OTHERWISE)
