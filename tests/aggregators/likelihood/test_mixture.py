"""The mixture of one, of equals, in any order; it is never above certainty."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.likelihood.mixture import FLOOR, Scored, TokensDiffer, mix, pooled

TOKENS = ("a", "b", "c", "d")
LOGPROBS = st.floats(-50, 0)
WEIGHTS = st.floats(0.01, 100)


@st.composite
def experts(draw: st.DrawFn) -> list[Scored]:
    """Two to four experts that read one text, each with some alternatives at every place."""
    tokens = ("<s>", *draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=6)))
    return [_scored(draw, tokens) for _ in range(draw(st.integers(2, 4)))]


def _scored(draw: st.DrawFn, tokens: tuple[str, ...]) -> Scored:
    logprobs: list[float | None] = [None]
    tops: list[dict[str, float]] = [{}]
    for token in tokens[1:]:
        known = draw(st.lists(st.sampled_from(TOKENS), unique=True, max_size=3))
        shares = [draw(st.floats(0.001, 1)) for _ in (token, *known)]
        whole = sum(shares) + draw(st.floats(0, 1))
        named = {one: math.log(share / whole) for one, share in zip(known, shares, strict=False)}
        named.setdefault(token, math.log(shares[-1] / whole))
        logprobs.append(named[token])
        tops.append(named)
    return Scored(tokens, tuple(logprobs), tuple(tops))


def _weights(parts: Sequence[Scored]) -> st.SearchStrategy[list[float]]:
    return st.lists(WEIGHTS, min_size=len(parts), max_size=len(parts))


@settings(deadline=None)
@given(experts(), st.data())
def test_equal_experts_say_what_each_says(parts: list[Scored], data: st.DataObject) -> None:
    one = parts[0]
    mixed = mix([one] * len(parts), data.draw(_weights(parts))).scored
    assert mixed.tokens == one.tokens
    assert mixed.logprobs[0] is None
    assert mixed.logprobs[1:] == pytest.approx(one.logprobs[1:], abs=1e-9)
    for mine, theirs in zip(mixed.alternatives, one.alternatives, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None)
@given(experts())
def test_one_expert_is_itself(parts: list[Scored]) -> None:
    assert mix(parts[:1], [3.0]).scored == parts[0]


@settings(deadline=None)
@given(experts(), st.data())
def test_the_order_of_the_experts_is_no_matter(parts: list[Scored], data: st.DataObject) -> None:
    weights = data.draw(_weights(parts))
    order = data.draw(st.permutations(range(len(parts))))
    turned = mix([parts[place] for place in order], [weights[place] for place in order])
    straight = mix(parts, weights)
    assert turned.scored.logprobs == straight.scored.logprobs
    assert turned.scored.alternatives == straight.scored.alternatives
    assert turned.undecided == straight.undecided


@settings(deadline=None)
@given(experts(), st.data())
def test_probabilities_lie_between_those_of_the_experts(
    parts: list[Scored], data: st.DataObject
) -> None:
    mixed = mix(parts, data.draw(_weights(parts))).scored
    for place, value in enumerate(mixed.logprobs[1:], start=1):
        own = [part.logprobs[place] or 0.0 for part in parts]
        assert value is not None
        assert min(own) - 1e-9 <= value <= max(own) + 1e-9
        assert value <= 0
        assert math.fsum(map(math.exp, mixed.alternatives[place].values())) <= 1 + 1e-9
        assert mixed.alternatives[place][mixed.tokens[place]] == value


@settings(deadline=None)
@given(experts(), st.data())
def test_a_place_is_decided_only_where_no_unnamed_probability_could_change_it(
    parts: list[Scored], data: st.DataObject
) -> None:
    """Give all that an expert has left to one token that it did not name, for each of them."""
    weights = data.draw(_weights(parts))
    mixture = mix(parts, weights)
    assert mixture.undecided <= len(parts[0].tokens) - 1
    if mixture.undecided:
        return
    for place in range(1, len(parts[0].tokens)):
        named = mixture.scored.alternatives[place]
        token = mixture.scored.tokens[place]
        first = named[token] >= max(named.values())
        for rival in (*TOKENS, "unnamed"):
            if rival == token:
                continue
            most = math.fsum(
                weight / math.fsum(weights) * _most(part.alternatives[place], rival, token)
                for part, weight in zip(parts, weights, strict=True)
            )
            assert not first or most <= math.exp(named[token]) + 1e-9


def _most(named: dict[str, float], rival: str, token: str) -> float:
    if rival in named:
        return math.exp(named[rival])
    left = 1 - math.fsum(map(math.exp, named.values()))
    least = min((math.exp(value) for other, value in named.items() if other != token), default=1)
    return max(0.0, min(left, least))


@settings(deadline=None)
@given(st.lists(st.floats(-2e4, 0), min_size=1))
def test_the_pool_of_any_numbers_is_a_log_probability(logs: list[float]) -> None:
    assert FLOOR <= pooled(logs) <= 0


def test_tiny_probabilities_do_not_vanish() -> None:
    """The naive sum of exponentials would be 0."""
    assert pooled([-800.0, -801.0]) == pytest.approx(-800.0 + math.log(1.3679), abs=1e-3)


def test_an_alternative_counts_for_those_who_named_it() -> None:
    one = Scored(("x", "a"), (None, math.log(0.6)), ({}, {"a": math.log(0.6), "b": math.log(0.4)}))
    two = Scored(("x", "a"), (None, math.log(0.2)), ({}, {"a": math.log(0.2), "c": math.log(0.7)}))
    mixed = mix([one, two], [1.0, 3.0])
    assert mixed.scored.logprobs[1] == pytest.approx(math.log(0.25 * 0.6 + 0.75 * 0.2))
    chances = {token: math.exp(value) for token, value in mixed.scored.alternatives[1].items()}
    assert chances == pytest.approx({"a": 0.3, "b": 0.1, "c": 0.525})
    assert mixed.undecided == 0


def test_what_was_not_named_may_be_more_probable() -> None:
    certain = Scored(("x", "a"), (None, math.log(0.4)), ({}, {"a": math.log(0.4)}))
    assert mix([certain, certain], [1.0, 1.0]).undecided == 1


def test_the_token_that_follows_is_the_mixtures_own() -> None:
    one = Scored(("x", "a"), (None, math.log(0.6)), ({}, {"a": math.log(0.6), "c": math.log(0.4)}))
    two = Scored(("x", "b"), (None, math.log(0.6)), ({}, {"b": math.log(0.6), "c": math.log(0.4)}))
    mixed = mix([one, two], [1.0, 1.0], generated=1).scored
    assert mixed.tokens == ("x", "c")
    assert mixed.logprobs[1] == pytest.approx(math.log(0.4))


@pytest.mark.parametrize(
    ("other", "generated", "message"),
    [
        (("x", "b", "c"), 0, "token 1 is 'a' and 'b'"),
        (("x", "a"), 0, "token 2 is 'c' and missing"),
        (("x", "a", "c", ""), 1, "token 3 is missing and ''"),
    ],
)
def test_experts_that_read_otherwise_are_found(
    other: tuple[str, ...], generated: int, message: str
) -> None:
    def scored(tokens: tuple[str, ...]) -> Scored:
        return Scored(tokens, (None,) * len(tokens), ({},) * len(tokens))

    same = scored(("x", "a", "c"))
    with pytest.raises(TokensDiffer, match=message) as caught:
        mix([same, same, scored(other)], [1.0] * 3, generated)
    assert (caught.value.first, caught.value.second) == (0, 2)
