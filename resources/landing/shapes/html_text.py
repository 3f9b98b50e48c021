"""HTML of questions and answers as the Markdown that their authors wrote: lists, links, code as it stands."""

import re
import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdownify import MarkdownConverter

TOO_BROKEN = "HTML that cannot be read: it is nested too deeply, or no HTML"
_LONGEST = 200_000
"""Characters: people's posts come to 60,000."""
_OPEN = re.compile(r"""<(?:[a-zA-Z/](?>(?:[^<>"']|"[^"<]*"|'[^'<]*')*)(?!>)|[!?])""")
"""A tag that is not closed before the next begins, or a comment or the like: whatever Python's parser looks through
all the rest of a text for, again and again."""
_MOST_OPEN = 100


def html_text(html: str) -> str:
    """The Markdown of `html`, without its pictures.

    Raises:
        ValueError: the HTML is broken beyond reading, or longer than any answer.
    """
    if len(html) > _LONGEST:
        raise ValueError(f"HTML of {len(html)} characters: no answer is as long")
    if len(_OPEN.findall(html)) > _MOST_OPEN:
        raise ValueError(TOO_BROKEN)
    from bs4 import ParserRejectedMarkup, UnusualUsageWarning

    with warnings.catch_warnings(action="ignore", category=UnusualUsageWarning):  # an answer may be a URL, or XML
        try:
            return str(_converter().convert(html))
        except (ParserRejectedMarkup, RecursionError) as error:
            raise ValueError(TOO_BROKEN) from error


@cache
def _converter() -> "MarkdownConverter":
    from markdownify import ATX, MarkdownConverter  # imported where HTML is: the command's help need not wait for it

    return MarkdownConverter(
        bullets="-",
        heading_style=ATX,
        strip=["img"],
        # It is read as text, and never rendered: an asterisk is what its author typed.
        escape_asterisks=False,
        escape_underscores=False,
    )
