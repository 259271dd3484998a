"""Examples with their answers, put before the questions of a task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evals.tasks.drafts import Draft, RowProblem
from evals.tasks.spec import FewShot
from evals.tasks.splits import same_words
from evals.tasks.templates import Template, TemplateProblem
from routers.base import Encoder

CHUNK = 1_024
"""Questions that are compared with all examples at once."""


def with_examples(
    few_shot: FewShot,
    drafts: Sequence[Draft],
    most_characters: int,
    encoder: Callable[[], Encoder],
) -> list[str]:
    """The prompt of each draft, in their order. Raises RowProblem.

    `encoder` is made only where the nearest questions are wanted.
    """
    template = _template(few_shot, most_characters)
    if few_shot.examples:
        texts = [_shown(template, one, one.get("question"), one) for one in few_shot.examples]
        return [_prompt(few_shot, texts, draft, most_characters) for draft in drafts]
    pool = [draft for draft in drafts if draft.split == few_shot.split]
    if not pool:
        raise RowProblem(f"few_shot: no row is of the split `{few_shot.split}`")
    if few_shot.first is not None:
        # One more than wanted, for an example that may not be its own.
        chosen = [_others(pool[: few_shot.first + 1], draft, few_shot.first) for draft in drafts]
    else:
        chosen = _nearest(few_shot.nearest or 1, drafts, pool, encoder())
    shown: dict[str, str] = {}
    prompts = []
    for draft, examples in zip(drafts, chosen, strict=True):
        for one in examples:
            if one.id not in shown:
                row = {"row": one.row.columns, "answer": one.answer}
                shown[one.id] = _shown(template, row, one.question, one.row.columns)
        texts = [shown[one.id] for one in examples]
        prompts.append(_prompt(few_shot, texts, draft, most_characters))
    return prompts


def _template(few_shot: FewShot, most_characters: int) -> Template:
    try:
        template = Template(few_shot.template, most_characters)
        for one in few_shot.examples or ({"question": "", "answer": ""},):
            template.check((*one, "row"))
    except TemplateProblem as problem:
        raise RowProblem(f"few_shot.template: {problem}") from problem
    return template


def _shown(
    template: Template, values: Mapping[str, Any], question: Any, row: Mapping[str, Any]
) -> str:
    given = {} if question is None else {"question": question}
    try:
        return template.render({**values, **given, "row": row})
    except TemplateProblem as problem:
        raise RowProblem(f"few_shot: {problem}") from problem


def _prompt(few_shot: FewShot, texts: Sequence[str], draft: Draft, most_characters: int) -> str:
    prompt = few_shot.separator.join([*texts, draft.question])
    if len(prompt) > most_characters:
        raise RowProblem(f"few_shot: makes more than {most_characters} characters")
    return prompt


def _others(pool: Sequence[Draft], draft: Draft, count: int) -> list[Draft]:
    """The first of the pool that do not ask the same."""
    own = same_words(draft.question)
    return [one for one in pool if same_words(one.question) != own][:count]


def _nearest(
    count: int, drafts: Sequence[Draft], pool: Sequence[Draft], encoder: Encoder
) -> list[list[Draft]]:
    """The most similar of the pool for each draft, the most similar last."""
    known = encoder.encode([one.question for one in pool])
    said = np.array([same_words(one.question) for one in pool])
    chosen = []
    for start in range(0, len(drafts), CHUNK):
        asked = drafts[start : start + CHUNK]
        similar = encoder.encode([one.question for one in asked]) @ known.T
        for draft, row in zip(asked, similar, strict=True):
            row[said == same_words(draft.question)] = -np.inf
            best = np.argsort(-row, kind="stable")[:count]
            chosen.append([pool[i] for i in best[::-1] if row[i] > -np.inf])
    return chosen
