"""HTML becomes the text that its author wrote."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.landing.shapes.html_text import html_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One\n two   three.</p>\n\n<p>Four &amp; &lt;five&gt;</p>", "One two three.\n\nFour & <five>"),
        ("<p>Use <code>x = 1</code> <b>now</b>.</p>", "Use `x = 1` now."),
        (
            "<p>So:</p>\n<pre class='py'><code>if a &lt; b:\n\n    return  1\n</code></pre>\n<p>Done</p>",
            "So:\n\n```\nif a < b:\n\n    return  1\n```\n\nDone",
        ),
        ("<p>Two</p><ul>\n<li>one</li>\n<li><p>other</p></li>\n</ul><p>End</p>", "Two\n\n- one\n- other\n\nEnd"),
        ("<ul><li>See<pre><code>- a\n\n- b</code></pre></li></ul>", "- See\n\n```\n- a\n\n- b\n```"),
        ("<h2>Head</h2>line<br>next<br/> last", "Head\n\nline\nnext\nlast"),
        ('<p>A <a href="http://x">link</a><img src="y" alt="z"></p>', "A link"),
        ("<p>seen</p><script>alert('<p>x</p>')</script><style>p {}</style>", "seen"),
        ("<p>never <b>closed <pre><code>a  b", "never closed\n\n```\na  b\n```"),
        ("plain text", "plain text"),
        ("", ""),
        ("<p> </p><ul><li></li></ul><pre> </pre>", ""),
    ],
)
def test_values(source: str, text: str) -> None:
    assert html_text(source) == text


VISIBLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"])


@given(st.text(VISIBLE, min_size=1), st.text(VISIBLE, min_size=1))
def test_text_and_code_come_through_as_they_are(words: str, code: str) -> None:
    lines = f"{code}\n\n    {code}"
    page = f"<p>{html.escape(words)}</p><pre><code>{html.escape(lines)}</code></pre>"
    assert html_text(page) == f"{words}\n\n```\n{lines}\n```"


@given(st.text())
def test_nothing_is_too_broken_to_read(source: str) -> None:
    assert isinstance(html_text(source), str)
