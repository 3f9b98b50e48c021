"""Texts in CSV files that people open in a spreadsheet."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """`text` as a spreadsheet shows it and never calculates it: what could be a formula gets a leading apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text
