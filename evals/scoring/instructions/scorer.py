"""The scorer `instructions`: whether an answer follows what its question asks of its form."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from evals.scoring.base import Answered, Options, Rule
from evals.scoring.instructions import layout, lengths, wording

LONGEST = 200_000

CHECKS: Mapping[str, Callable[..., bool]] = {
    "keywords:existence": wording.existence,
    "keywords:frequency": wording.frequency,
    "keywords:forbidden_words": wording.forbidden,
    "keywords:letter_frequency": wording.letter_frequency,
    "language:response_language": wording.response_language,
    "length_constraints:number_sentences": lengths.sentences,
    "length_constraints:number_paragraphs": lengths.paragraphs,
    "length_constraints:number_words": lengths.words,
    "length_constraints:nth_paragraph_first_word": lengths.first_word,
    "detectable_content:number_placeholders": layout.placeholders,
    "detectable_content:postscript": layout.postscript,
    "detectable_format:number_bullet_lists": layout.bullets,
    "detectable_format:constrained_response": layout.constrained,
    "detectable_format:number_highlighted_sections": layout.highlights,
    "detectable_format:multiple_sections": layout.sections,
    "detectable_format:json_format": layout.is_json,
    "detectable_format:title": layout.title,
    "combination:two_responses": layout.two_responses,
    "combination:repeat_prompt": layout.repeats,
    "startend:end_checker": layout.ends_with,
    "startend:quotation": layout.quoted,
    "change_case:capital_word_frequency": wording.capital_words,
    "change_case:english_capital": wording.english_capitals,
    "change_case:english_lowercase": wording.english_small,
    "punctuation:no_comma": wording.no_comma,
}


class InstructionsOptions(Options):
    """What counts as followed."""

    accuracy: Literal["strict", "loose"] = Field(
        "strict",
        description="Loose: also without the first line, the last, and all stars.",
    )
    of: Literal["prompt", "instruction"] = Field(
        "prompt", description="1 where all are followed, or the share of those that are."
    )


def instructions(options: InstructionsOptions) -> Rule:
    """How many of a question's instructions an answer follows.

    Of the question's fields, as IFEval publishes them: `instruction_id_list` and `kwargs`, one
    mapping for each. Raises ValueError for an instruction that is unknown or lacks an argument.
    """

    def score(sample: Answered, text: str) -> float:
        names = list(sample.fields.get("instruction_id_list") or ())
        arguments = list(sample.fields.get("kwargs") or ())
        if not names or len(names) != len(arguments):
            raise ValueError("its fields `instruction_id_list` and `kwargs` must be equally long")
        texts = list(variants(text[:LONGEST]) if options.accuracy == "loose" else [text[:LONGEST]])
        followed = [
            any(follows(one, name, given) for one in texts)
            for name, given in zip(names, arguments, strict=True)
        ]
        return float(all(followed)) if options.of == "prompt" else sum(followed) / len(followed)

    return score


def follows(text: str, instruction: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a text follows an instruction; an empty one follows none. Raises ValueError."""
    check = CHECKS.get(instruction)
    if check is None:
        raise ValueError(f"the instruction {instruction} is unknown")
    given = {key: value for key, value in arguments.items() if value is not None}
    wanted = set(list(inspect.signature(check).parameters)[1:])
    if missing := wanted - set(given):
        raise ValueError(f"{instruction} lacks {', '.join(sorted(missing))}")
    known = {key: given[key] for key in wanted}
    return bool(text.strip()) and check(text, **known)


def variants(text: str) -> Iterator[str]:
    """The text as it is and without its first line, its last, both; each without stars, too.

    So the paper's loose accuracy allows for a greeting, a farewell and emphasis.
    """
    lines = text.split("\n")
    for part in (lines, lines[1:], lines[:-1], lines[1:-1]):
        found = "\n".join(part).strip() if part is not lines else text
        yield found
        yield found.replace("*", "")
