"""Markdown in which nothing of a model is Markdown."""

from evals.report.markdown import escaped, markdown
from evals.report.sections import Card, Document, Section, Table


def _document(**more: object) -> Document:
    return Document(
        **{"title": "Title", "lead": ("lead",), "notices": (), "sections": (), **more}  # type: ignore[arg-type]
    )


def test_a_table_is_aligned_in_plain_text() -> None:
    table = Table("Name", ("subject", "right %"), (("a|b", "1.0"), ("long name", "50.0")), "Note.")
    text = markdown(_document(sections=(Section("Part", ("Said.",), ("Beware.",), (table,)),)))
    assert text.splitlines()[4:] == [
        "## Part",
        "",
        "Said.",
        "",
        "> **Warning:** Beware.",
        "",
        "**Name**",
        "",
        "| subject   | right % |",
        "|-----------|--------:|",
        r"| a\|b      |     1.0 |",
        "| long name |    50.0 |",
        "",
        "Note.",
    ]


def test_markup_is_escaped_and_plain_words_are_not() -> None:
    assert escaped("<script>`x`[a](b)") == r"\<script\>\`x\`\[a\](b)"
    assert escaped("mmlu_pro +1.0 *") == "mmlu_pro +1.0 *"
    assert escaped("_private_ **bold**") == r"\_private\_ *\*bold\*\*"
    assert escaped("two\nlines\x00") == r"two lines\<U+0000\>"


def test_answers_are_indented_so_that_no_fence_ends_them() -> None:
    card = Card("c", "wrong", "s", "c", (), (("answer", "```\n# no heading\n</pre>"),))
    text = markdown(_document(cards=(card,) * 3, cards_title="Answers"), most_cards=2)
    assert text.count("    ```\n    # no heading\n    </pre>") == 2
    assert "\n# no heading" not in text
    assert "Answers" not in markdown(_document(cards=(card,), cards_title="Answers"), most_cards=0)
