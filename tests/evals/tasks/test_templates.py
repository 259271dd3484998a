"""Prompts are made of columns; a template can neither run code nor grow without bound."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.tasks.templates import Template, TemplateProblem

MOST = 1_000


def rendered(source: str, **values: Any) -> str:
    return Template(source, MOST).render(values)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ q }}?", "Why?"),
        ("{{ row['my column'] }}", "x"),
        (
            "{% for one in many %}\n{{ loop.index }}. {{ one }}\n{% endfor %}\nend\n",
            "1. a\n2. b\nend\n",
        ),
        ("{{ 'yes' if many else 'no' }}", "yes"),
        ("{{ many | join('; ') }}", "a; b"),
        ("{{ q.strip('?').lower() }}{{ 2 * 3 }}", "why6"),
        ("{{ many | tojson }} & <b>", '["a", "b"] & <b>'),
        ("{% for i in range(2) %}{{ many[i] }}{% endfor %}", "ab"),
        ("", ""),
    ],
)
def test_what_templates_can_do(source: str, text: str) -> None:
    template = Template(source, MOST)
    values = {"q": "Why", "many": ["a", "b"], "row": {"my column": "x"}}
    template.check(values)
    assert template.render(values) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ q",
        "{% for %}",
        "{{ ''.__class__ }}",
        "{{ q.format(1) }}",
        "{{ q.__class__.__mro__ }}",
        "{{ self }}",
        "{% for a in range(9) %}{% for b in range(9) %}x{% endfor %}{% endfor %}",
        "{% for a in q recursive %}{{ loop(q) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
        "{% set a = 1 %}",
        "{{ 2 ** 1000000000 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ range(1000000000) | list }}",
        "{{ lipsum(n=1000) }}",
        "{% for i in range(5000) %}x{% endfor %}",
        "{{ q | join(q) | join(q) }}",
        "{{ nothing }}",
        "{{ empty }}",
        "{{ 1 // 0 }}",
        "{{ row.nothing }}",
    ],
)
def test_what_is_refused(source: str) -> None:
    with pytest.raises(TemplateProblem):
        rendered(source, q="why" * 1_000, empty=None, row={})


def test_an_unknown_column_is_named_before_anything_is_made() -> None:
    template = Template("{{ qestion }}", MOST)
    with pytest.raises(TemplateProblem, match=r"no column `qestion`. Did you mean `question`\?"):
        template.check(["question", "answer"])
    with pytest.raises(TemplateProblem, match=r"there are: a, b"):
        template.check(["b", "a"])


@settings(deadline=None)
@given(st.text(), st.text())
def test_values_are_never_templates(before: str, value: str) -> None:
    source = before.replace("{", "").replace("\r", "") + "{{ value }}"
    assert Template(source, 10_000).render({"value": value}).endswith(value)


@settings(deadline=None)
@given(st.text("{}%|'()[]. abforiniftset_*~0123", max_size=40))
def test_any_text_is_a_template_or_refused(source: str) -> None:
    try:
        text = Template(source, MOST).render({"a": "x", "b": ["y"]})
    except TemplateProblem:
        return
    assert len(text) <= MOST
