"""What others sent is said again in part: enough to know it, never so long that it fills a log."""

from hypothesis import given
from hypothesis import strategies as st

from experts.upstream.quoting import MOST_QUOTED, MOST_SAID, brief, quoted

LONG = st.text("ab ", max_size=3 * MOST_SAID)


@given(LONG)
def test_a_quotation_is_the_beginning_and_never_long(text: str) -> None:
    said = quoted(text)
    assert len(said) <= MOST_QUOTED + 1
    assert text.startswith(said.removesuffix("…"))


@given(LONG)
def test_a_message_is_bounded_and_so_is_each_of_its_words(text: str) -> None:
    said = brief(text)
    assert len(said) <= MOST_SAID + 1
    assert all(len(word) <= MOST_QUOTED + 1 for word in said.split(" "))
    assert text.startswith(said.partition("…")[0])


@given(st.text(max_size=MOST_QUOTED))
def test_what_is_short_stays_as_it_is(text: str) -> None:
    assert quoted(text) == brief(text) == text


def test_what_follows_a_long_word_is_still_said() -> None:
    assert brief(f"There is no {'y' * 10_000_000} here.").endswith("… here.")
