"""HTML of questions and answers as the text that their authors wrote: paragraphs, lists, and code as it stands."""

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    (
        *("p", "div", "blockquote", "pre", "hr", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("ul", "ol", "li", "dl", "dt", "dd", "table", "tr"),
    )
)
_UNSEEN = frozenset(("script", "style"))
_FENCE = "```"
_ITEM = "- "


def html_text(html: str) -> str:
    """The text of `html`: code blocks in fences with every space kept, all other white space collapsed."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return parser.text()


class _Text(HTMLParser):
    """Gathers blocks of text, one for each paragraph, list item or code block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[str] = []
        self._open: list[str] = []
        self._code = self._item = False
        self._unseen = 0

    def text(self) -> str:
        """The blocks so far, a blank line between them; items of a list follow one another."""
        self._end_block()
        text = ""
        for before, block in zip(["", *self._blocks], self._blocks, strict=False):
            items = before.startswith(_ITEM) and block.startswith(_ITEM)
            text += ("\n" if items else "\n\n" if before else "") + block
        return text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._open.append("\n")
        elif tag == "code" and not self._code:
            self._open.append("`")
        elif tag in _BLOCKS and not (tag == "p" and self._at_item()):
            self._end_block()
            self._code = tag == "pre"
            self._item = tag == "li"
            if self._item:
                self._open.append(_ITEM)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "code" and not self._code:
            self._open.append("`")
        elif tag in _BLOCKS:
            self._end_block()

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._open.append(data if self._code else re.sub(r"\s+", " ", data))

    def _at_item(self) -> bool:
        """Whether nothing but the mark of a list item is open."""
        return self._item and "".join(self._open).strip() == _ITEM.strip()

    def _end_block(self) -> None:
        """Close the block in hand; a code block that was never closed ends here too."""
        content = "".join(self._open)
        if self._code:
            block = f"{_FENCE}\n{content.strip(chr(10))}\n{_FENCE}" if content.strip() else ""
        else:
            block = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", content)).strip()
        if block and not self._at_item():
            self._blocks.append(block)
        self._open.clear()
        self._code = self._item = False
