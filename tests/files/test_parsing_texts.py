# ruff: noqa: RUF001 - Greek letters and typographic marks are meant here
"""Plain text, Markdown and HTML: every common encoding, and nothing but what a reader sees."""

import pytest

from tests.files.passages import passages
from tests.files.reading import failure_of, read, text_of

WIDE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", [*WIDE, "cp1253", "iso8859_7"])
def test_greek_is_read_in_every_encoding(encoding: str) -> None:
    from f.core.text_files import decoded

    for passage in passages("el")[:200]:
        text = passage[:400].encode(encoding, "ignore").decode(encoding).lstrip("\ufeff")
        assert decoded(text.encode(encoding)).lstrip("\ufeff") == text


@pytest.mark.parametrize("encoding", [*WIDE, "cp1252", "latin-1"])
def test_western_text_is_read_in_every_encoding(encoding: str) -> None:
    from f.core.text_files import decoded

    for passage in passages("en")[:200]:
        text = f"{passage[:400]} café naïve £5".encode(encoding, "ignore").decode(encoding).lstrip("\ufeff")
        assert decoded(text.encode(encoding)).lstrip("\ufeff") == text


@pytest.mark.parametrize("encoding", [*WIDE, "cp1253", "iso8859_7"])
def test_a_greek_text_file_goes_through_as_text(encoding: str) -> None:
    passage = passages("el")[5].encode(encoding, "ignore").decode(encoding).lstrip("\ufeff")

    part = read(passage.encode(encoding), "letter.pdf")

    assert (part.media_type, part.text) == ("text/plain", passage)


@pytest.mark.parametrize("language", ["en", "el"])
def test_a_text_with_a_bad_byte_stays_what_it_is(language: str) -> None:
    words = f"{passages(language)[5]} – naïve – café – 45 € – Ελλάδα – Κύπρος – Αθήνα"

    part = read(words.encode() + b" before \xff behind " + words.encode())

    assert part.text == f"{words} before \ufffd behind {words}"
    assert part.warnings == ("Some characters of the text could not be decoded.",)


def test_an_encoding_that_is_a_guess_is_said() -> None:
    part = read("Ώρα".encode("cp1253"))

    assert part.text == "Ώρα"
    assert part.warnings == ("The encoding of the text is a guess (cp1253).",)


def test_markdown_is_kept_as_it_is_and_gives_the_title() -> None:
    content = "Some words.\n\n## The **plan**\n\n- one\n- two\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"

    part = read(content.encode())

    assert part.text == content.strip()
    assert part.media_type == "text/markdown"
    assert part.title == "The **plan**"


def test_text_is_in_one_form_whatever_wrote_it() -> None:
    raw = "It\x92s Cafe\u0301 ﬁle\u00a0one\r\nsoft\u00adhyphen\rnext\x00line\u2028last\x07\fpage two"

    part = read(raw.encode())

    assert part.text == "It\u2019s Café file one\nsofthyphen\nnextline\nlast\fpage two"
    assert part.page_count == 2


def test_a_page_of_the_web_is_what_its_reader_sees() -> None:
    page = """<!DOCTYPE html><html><head><title>The  plan</title><style>p{}</style><script>evil()</script></head><body>
    <nav><a href="/">Home</a></nav><h1>Our <em>plan</em></h1><p>Some <b>bold</b> words
    in a line.<br>Another.</p><p style="display: none">unseen</p><p hidden>unseen</p><!-- unseen -->
    <ul><li>One<ul><li>inner</li></ul></li><li><p>Two</p></li></ul><ol start="3"><li>three</li><li>four</li></ol>
    <table><caption>Costs</caption><tr><th>Item</th><th>Ποσό</th></tr><tr><td>a|b</td><td>1<br>2</td></tr></table>
    <table><tr><td><p>Only for the layout.</p></td><td><ul><li>point</li></ul></td></tr></table>
    <pre>code  here
  and here</pre><blockquote>Quoted.</blockquote><noscript>unseen</noscript></body></html>"""

    part = read(page.encode())

    assert part.media_type == "text/html"
    assert part.title == "The plan"
    assert part.text == (
        "# Our plan\n\nSome bold words in a line.\nAnother.\n\n- One\n  - inner\n- Two\n\n3. three\n4. four\n\n"
        "Costs\n\n| Item | Ποσό |\n| --- | --- |\n| a\\|b | 1 2 |\n\nOnly for the layout.\n\n- point\n\n"
        "```\ncode  here\n  and here\n```\n\n> Quoted."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1253", "iso8859_7", "utf-16"])
@pytest.mark.parametrize("declared", [True, False])
def test_greek_pages_are_read_in_every_encoding(encoding: str, *, declared: bool) -> None:
    words = passages("el")[0].encode(encoding, "ignore").decode(encoding).lstrip("\ufeff")
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={encoding}">' if declared else ""

    assert text_of(f"<html><head>{meta}</head><body><p>{words}</p></body></html>".encode(encoding)) == words


@pytest.mark.parametrize("words", ["Άννα και Άρης", "Πληρώνουν 45 €", "«Ν’ αρχίσει» – στις 10"])
def test_a_page_that_says_iso_and_is_of_windows_is_read(words: str) -> None:
    encoded = words.encode("cp1253")

    assert text_of(b"<html><head><meta charset=iso-8859-7></head><body><p>" + encoded + b"</p></body></html>") == words


@pytest.mark.parametrize("words", ["Άννα και Άρης", "ν’αρχίσει", "πες ‘ναι’, απ’ όλα"])
def test_a_page_that_says_iso_and_is_iso_is_read(words: str) -> None:
    encoded = words.encode("iso8859_7")

    assert text_of(b"<html><head><meta charset=iso-8859-7></head><body><p>" + encoded + b"</p></body></html>") == words


def test_cells_across_rows_and_columns_keep_the_others_in_their_columns() -> None:
    page = """<html><body><table><tr><th>Zone</th><th>Age</th><th>Price</th></tr>
    <tr><td rowspan=2>Centre</td><td>Adult</td><td rowspan="3">30</td></tr><tr><td>Child</td></tr>
    <tr><td>Suburb</td><td>Adult</td></tr><tr><td colspan=2>Total</td><td>60</td></tr>
    <tr><td colspan="99999999">All of it</td><td rowspan="x">and more</td></tr></table></body></html>"""

    assert text_of(page.encode()) == (
        "| Zone | Age | Price |\n| --- | --- | --- |\n| Centre | Adult | 30 |\n|  | Child |  |\n"
        "| Suburb | Adult |  |\n| Total |  | 60 |\n| All of it | and more |  |"
    )


def test_what_is_hidden_in_a_table_is_not_read() -> None:
    page = """<html><body><table><tr><td>Plan</td><td>Price</td></tr>
    <tr><td>Basic</td><td>10 <span style="display:none">99</span>euros<textarea>note</textarea></td></tr>
    <tr hidden><td>Old</td><td>77</td></tr><tr><td>Full</td><td style="visibility:hidden">0</td><td>20</td></tr>
    </table></body></html>"""

    assert text_of(page.encode()) == "| Plan | Price |\n| --- | --- |\n| Basic | 10 euros |\n| Full | 20 |"


def test_the_marked_main_part_of_a_page_is_taken_alone() -> None:
    words = passages("en")[0]
    page = f"<html><body><header>Shop</header><main><p>{words}</p></main><footer>Cookies</footer></body></html>"

    assert text_of(page.encode()) == words


@pytest.mark.parametrize("content", [b"", b" \n\t ", b"<html><body><script>x()</script></body></html>"])
def test_what_holds_no_words_says_so(content: bytes) -> None:
    assert failure_of(content) == ("empty" if not content else "no_text")
