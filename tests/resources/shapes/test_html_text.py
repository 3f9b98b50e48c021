"""HTML becomes the Markdown that its author wrote. Pairs are named by texts: no value here may change unnoticed."""

import html
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.landing.shapes.html_text import html_text

NESTED = "<ul>\n<li>one\n<ul>\n<li>inner</li>\n</ul></li>\n<li><p>two</p></li>\n</ul>"
TABLE = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One   two.</p>\n\n<p>Three &amp; &lt;four&gt; &amp;lt; &#8364;</p>", "One two.\n\nThree & <four> &lt; €"),
        ("<p>Use <code>x = 1</code> <b>now</b>, <em>not</em> later.</p>", "Use `x = 1` **now**, *not* later."),
        ("<p>2 * 3 * x_1_y, $a_{i}*b^{*}$ and C:\\a</p>", "2 * 3 * x_1_y, $a_{i}*b^{*}$ and C:\\a"),
        (
            "<p>So:</p>\n<pre class='py'><code>    if a &lt; b:\n\n    return  1  # *x*\n</code></pre>\n<p>Done</p>",
            "So:\n\n```\n    if a < b:\n\n    return  1  # *x*\n```\n\nDone",
        ),
        (f"<p>Two</p>{NESTED}<p>End</p>", "Two\n\n- one\n  - inner\n- two\n\nEnd"),
        ("<ol><li>first</li><li>second<p>more</p></li></ol>", "1. first\n2. second\n\n   more"),
        ("<ul><li>See<pre><code>- a\n\n- b</code></pre></li></ul>", "- See\n\n  ```\n  - a\n\n  - b\n  ```"),
        ("<blockquote>\n  <p>said he</p>\n</blockquote>\n<p>no</p>", "> said he\n\nno"),
        (TABLE, "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("<h2>Head</h2>line<br>next<hr>last", "## Head\n\nline  \nnext\n\n---\n\nlast"),
        ('<p>A <a href="http://x?a=1&amp;b=2">link</a></p>', "A [link](http://x?a=1&b=2)"),
        ('<p>A <a href="http://x/y.png"><img src="http://x/y.png" alt="z"></a></p>', "A"),
        ("<p>seen</p><script>alert('<p>x</p>')</script><style>p {}</style><!-- not -->", "seen"),
        ("<p>never <b>closed <pre><code>a  b", "never **closed\n\n```\na  b\n```**"),
        ("https://example.org/answer.html", "https://example.org/answer.html"),
        ("<?xml version='1.0'?><p>a</p>", "xml version='1.0'?\n\na"),
        ("", ""),
        ("<p> </p><ul></ul>", ""),
    ],
)
def test_values(source: str, text: str) -> None:
    with warnings.catch_warnings(action="error"):
        assert html_text(source) == text


VISIBLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"])


@given(st.text(VISIBLE, min_size=1), st.text(VISIBLE, min_size=1))
def test_text_and_code_come_through_as_they_are(words: str, code: str) -> None:
    lines = f"{code}\n\n    {code}"
    page = f"<p>{html.escape(words)}</p><pre><code>{html.escape(lines)}</code></pre>"
    assert html_text(page) == f"{words}\n\n```\n{lines}\n```"


@given(st.text(st.sampled_from("<>/!?[]&;#-='pretdulicoba \n")))
def test_what_is_too_broken_to_read_is_named(source: str) -> None:
    try:
        assert isinstance(html_text(source), str)
    except ValueError as error:
        assert "HTML that cannot be read" in str(error)


@pytest.mark.parametrize("source", ["<blockquote>" * 2000 + "x", "<![x>"], ids=["nested too deeply", "no HTML"])
def test_a_text_that_is_too_broken_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="HTML that cannot be read"):
        html_text(source)
