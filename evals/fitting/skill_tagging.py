"""Part of the profile run: an expert names the skills of the probe questions (Symbolic-MoE)."""

from collections.abc import Sequence

import httpx

from evals.client.ask import Answer, Question, ask_many
from evals.client.progress import Progress
from evals.reporting.numbers import counted
from experts.prompts import fill
from routers.base import Tagging
from routers.outcomes import OutcomeTable, Query
from routers.symbolic_moe.skills import agreed, parse

IN_FLIGHT = 32


async def tag(
    client: httpx.AsyncClient,
    base_url: str,
    table: OutcomeTable,
    tagging: Tagging,
    version: str,
    progress: Progress,
) -> tuple[OutcomeTable, list[Answer]]:
    """Ask for the keywords that the table lacks; also returns the calls that failed.

    `version` tells the tagger's versions apart: keywords of another one are asked for anew. A
    question with a failed sample gets no keywords, so that the next run asks again.
    """
    tagger = f"{tagging.expert} {version}"
    known = table.skills if table.tagger == tagger else {}
    missing = [query for query in table.queries() if query.id not in known]
    if not missing:
        return table, []
    questions = [one for query in missing for one in _samples(query, tagging)]
    text = f"asking {tagging.expert} for the skills of {counted(len(missing), 'question')}"
    answers = await ask_many(
        client,
        f"{base_url}/v1",
        questions,
        in_flight=IN_FLIGHT,
        stream=False,
        on_answer=progress.counting(text, len(questions), "answers"),
    )
    count = tagging.samples
    found = {}
    for number, query in enumerate(missing):
        samples = answers[number * count : (number + 1) * count]
        if all(sample.error is None for sample in samples):
            found[query.id] = agreed(parse(sample.text) for sample in samples)
    progress.say(f"{tagging.expert} named the skills of {counted(len(found), 'question')}")
    return table.with_skills(found, tagger), [one for one in answers if one.error is not None]


def _samples(query: Query, tagging: Tagging) -> Sequence[Question]:
    prompt = fill(tagging.prompt, question=query.text)
    return [
        Question(
            f"{query.id} skills {number}",
            tagging.expert,
            prompt,
            tagging.max_tokens,
            tagging.temperature,
            number,
        )
        for number in range(tagging.samples)
    ]
