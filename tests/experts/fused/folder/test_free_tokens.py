"""Tokens that can stand for roles, in vocabularies of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ConfigError
from experts.fused.folder.free_tokens import RoleToken, Vocabulary, free_tokens, named_tokens

SPELLINGS = (
    *("<|role_{}|>", "<|reserved_special_token_{}|>", "<unused{}>", "[unused{}]", "<extra_id_{}>"),
    *("<|dummy_{}|>", "<|placeholder{}|>", "[control_{}]", "<SPECIAL_{}>", ">>UNUSED_{}<<"),
    *("<|extra_{}|>", "[UNUSED_TOKEN_{}]", "<\uff5cplace\u2581holder\u2581no\u2581{}\uff5c>"),
)
WORDS = st.one_of(
    st.text(min_size=1, max_size=5),
    st.builds(lambda s, n: s.format(n), st.sampled_from(SPELLINGS), st.integers(0, 20)),
    st.sampled_from(
        ["<0xC0>", "<0xFF>", "<0x41>", "<|endoftext|>", "<repo_name>", "<|coterie_role_0|>"]
    ),
)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    words = draw(st.lists(WORDS, unique=True, max_size=30))
    numbers = draw(st.permutations(range(len(words) + draw(st.integers(0, 5)))))
    ids = dict(zip(words, numbers, strict=False))
    added = draw(st.frozensets(st.sampled_from(words), max_size=10)) if words else frozenset()
    special = draw(st.frozensets(st.sampled_from(sorted(added)))) if added else frozenset()
    rows = draw(st.integers(1, len(words) + 20))
    taken = draw(st.dictionaries(st.integers(0, rows + 5), st.just("is taken"), max_size=5))
    odd = sorted(set(words) - added)
    impossible = draw(st.lists(st.sampled_from(odd), unique=True)) if odd else []
    return Vocabulary(ids, added, special, taken, rows, impossible)


def small(*tokens: str, rows: int | None = None, **taken: str) -> Vocabulary:
    ids = {token: id for id, token in enumerate(tokens)}
    special = frozenset(token for token in tokens if token.startswith("<"))
    return Vocabulary(
        ids,
        special,
        special,
        {ids[token]: reason for token, reason in taken.items()},
        rows or len(ids),
    )


@given(vocabularies())
def test_free_tokens_are_free(vocabulary: Vocabulary) -> None:
    found = free_tokens(vocabulary)
    assert len({token.id for token in found}) == len({token.text for token in found}) == len(found)
    for token in found:
        assert 0 <= token.id < vocabulary.rows
        assert token.id not in vocabulary.taken
        known = vocabulary.ids.get(token.text)
        if token.instead_of is not None:
            assert known is None
            assert vocabulary.ids[token.instead_of] == token.id
            assert token.instead_of in vocabulary.impossible
        else:
            assert known == token.id or (known is None and token.id in vocabulary.unused)
    new = [token.id for token in found if token.text not in vocabulary.ids]
    assert new[: len(vocabulary.unused)] == list(vocabulary.unused)


@given(vocabularies())
def test_what_is_found_can_be_named(vocabulary: Vocabulary) -> None:
    found = free_tokens(vocabulary)
    assert named_tokens(vocabulary, [token.text for token in found]) == found


@given(vocabularies(), st.lists(WORDS, max_size=5))
def test_what_can_be_named_is_no_ordinary_token_and_not_taken(
    vocabulary: Vocabulary, names: list[str]
) -> None:
    problems: tuple[str, ...] = ()
    found: list[RoleToken] = []
    try:
        found = named_tokens(vocabulary, names)
    except ConfigError as error:
        problems = error.problems
    assert all(problem.startswith("role_tokens.") for problem in problems)
    assert bool(problems) == (len(found) < len(names))
    assert problems or [token.text for token in found] == names
    assert len({token.id for token in found}) == len(found)
    assert not any(token.id in vocabulary.taken for token in found)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_reserved_tokens_come_first_in_the_order_of_their_numbers(spelling: str) -> None:
    numbered = [spelling.format(number) for number in (10, 2, 1)]
    vocabulary = small("<repo_name>", *numbered, "word", rows=6)
    assert [token.text for token in free_tokens(vocabulary)] == [
        *reversed(numbered),
        "<|coterie_role_0|>",
        "<repo_name>",
    ]


def test_bytes_that_no_text_holds_get_another_name() -> None:
    ids = {"<0x0A>": 0, "<0xC1>": 1, "<0xC2>": 2, "<free>": 3}
    special = frozenset({"<free>"})
    vocabulary = Vocabulary(ids, special, special, {}, 5, ["<0xC1>"])
    assert free_tokens(vocabulary) == [
        RoleToken("<|coterie_role_0|>", 4),
        RoleToken("<|coterie_role_1|>", 1, "<0xC1>"),
        RoleToken("<free>", 3),
    ]
    assert named_tokens(vocabulary, ["<one>", "<two>"]) == [
        RoleToken("<one>", 4),
        RoleToken("<two>", 1, "<0xC1>"),
    ]
    with pytest.raises(ConfigError) as caught:
        named_tokens(vocabulary, ["<0xC1>"])
    assert "is an ordinary token" in caught.value.problems[0]


def test_special_tokens_that_people_write_or_that_may_end_an_answer_are_avoided() -> None:
    vocabulary = small(
        "<filename>", "<file_sep>", "<|endoftext|>", "<|eom_id|>", "<pad>", "<gh_stars>"
    )
    assert [token.text for token in free_tokens(vocabulary)] == [
        *("<file_sep>", "<gh_stars>", "<filename>")
    ]


def test_every_mistake_in_role_tokens_is_named() -> None:
    vocabulary = Vocabulary(
        {"word": 0, "<end>": 1, "<a>": 2, "<far>": 9},
        frozenset({"<end>", "<a>", "<far>"}),
        frozenset(),
        {1: "is the eos_token of left"},
        4,
    )
    names = ["word", "<end>", "<a>", "<a>", "<far>", "no brackets", "<new>"]
    with pytest.raises(ConfigError) as caught:
        named_tokens(vocabulary, names)
    assert [problem.split(": ", 1) for problem in caught.value.problems] == [
        ["role_tokens.0", "'word' is an ordinary token, which texts are made of"],
        ["role_tokens.1", "'<end>' is the eos_token of left"],
        ["role_tokens.3", "'<a>' is named twice"],
        ["role_tokens.4", "'<far>' has the id 9, but the smallest embedding has only 4 rows"],
        [
            "role_tokens.5",
            "'no brackets' is a new token, which must be spelled like <|name|>, <name> or [name]",
        ],
        [
            "role_tokens.6",
            "'<new>' is not in the members' tokenizer, and no unused id is left for it below 4,"
            " the rows of the smallest embedding",
        ],
    ]
