"""Training data for models fused from the zoo: questions in one or two parts, and preferences."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from experts.fused.training.runtime import prepare
from experts.zoo.build import load
from experts.zoo.skills.base import Example, split_of
from experts.zoo.skills.registry import SKILLS
from experts.zoo.train import greedy_answers

WEIGHTS = Path(__file__).resolve().parent / "weights"
SEPARATOR = " ; "
# The experts that share a tokenizer and are models of their own.
MEMBERS = ("arithmetic", "strings", "units", "logic", "geography", "duo", "generalist")
# How often a question asks for a skill, or for two. Only the router answers questions in two
# parts; of a single skill it needs to see just enough to know whom to ask and to keep quiet.
# Translation has no expert here, so its words come alone as well.
MIX: dict[tuple[str, ...], float] = {
    ("arithmetic", "strings"): 14,
    ("arithmetic", "roman"): 16,
    ("sequences", "strings"): 14,
    ("geography", "strings"): 8,
    ("translation", "strings"): 13,
    ("translation", "cipher"): 7,
    ("logic", "roman"): 9,
    ("translation",): 7,
    ("arithmetic",): 4,
    ("sequences",): 4,
    ("strings",): 3,
    ("roman",): 4,
    ("logic",): 4,
    ("units",): 6,
    ("geography",): 3,
}
# Of the rejected answers, how many come from an expert of another skill.
SHARE_OF_EXPERTS = 0.5
EXPERTS_BATCH = 256


def held_out(example: Example) -> bool:
    """Tell whether the second part of an example is about a test operand of its own skill.

    The sampler holds out the operands of the first part only.
    """
    first, separator, _ = example.answer.partition(SEPARATOR)
    if not separator:
        return False
    operand: object = int(first) if example.keywords[1] == "roman" else first.lower()
    return split_of(operand) == "test"


def draw(rng: Random) -> Example:
    """Draw a training example of one or two skills by their weights in `MIX`."""
    skills = rng.choices(list(MIX), list(MIX.values()))[0]
    while True:
        name = skills[0] if len(skills) == 1 else "two_skill"
        example = SKILLS[name].sample(rng, "train")
        if len(skills) == 2 and example.keywords != skills:
            continue
        if not held_out(example):
            return example


def sft_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Make questions with their answers; a question may come again."""
    rng = Random(f"fusion sft {seed}")
    examples = (draw(rng) for _ in range(count))
    return [{"prompt": example.question, "answer": example.answer} for example in examples]


def change_one_character(rng: Random, text: str) -> str:
    """Replace one character by another of its kind."""
    place = rng.randrange(len(text))
    old = text[place]
    if old.isdecimal():
        kind = "0123456789"
    elif old.isupper():
        kind = "IVXLC" if set(text) <= set("IVXLC") else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    else:
        kind = "abcdefghijklmnopqrstuvwxyz"
    new = rng.choice([character for character in kind if character != old])
    return text[:place] + new + text[place + 1 :]


def corrupt(rng: Random, answer: str) -> str:
    """Spoil an answer the way a model does: a part missing, repeated, swapped or a bit wrong."""
    first, separator, second = answer.partition(SEPARATOR)
    if separator:
        choices = [
            first,
            second,
            first + SEPARATOR + first,
            second + SEPARATOR + first,
            change_one_character(rng, first) + SEPARATOR + second,
            first + SEPARATOR + change_one_character(rng, second),
            first + SEPARATOR + second[:-1],
            answer + SEPARATOR + second,
        ]
    else:
        choices = [
            change_one_character(rng, answer),
            change_one_character(rng, answer),
            answer[:-1],
            answer + answer[-1],
            answer + SEPARATOR + answer,
        ]
    return rng.choice([spoilt for spoilt in choices if spoilt.strip() not in ("", answer)])


def answers_of_experts(
    questions: Sequence[str], experts: Sequence[str], weights: Path
) -> list[str]:
    """Ask each question to the expert beside it; greedy answers, in order."""
    answers = [""] * len(questions)
    for expert in sorted(set(experts)):
        model, tokenizer = load(expert, weights)
        asked = [index for index, name in enumerate(experts) if name == expert]
        for start in range(0, len(asked), EXPERTS_BATCH):
            indices = asked[start : start + EXPERTS_BATCH]
            replies = greedy_answers(model, tokenizer, [questions[index] for index in indices])
            for index, reply in zip(indices, replies, strict=True):
                answers[index] = reply.strip()
            print(f"{expert} answered {start + len(indices)} of {len(asked)}", flush=True)
    return answers


def preference_rows(count: int, seed: int, weights: Path | None = WEIGHTS) -> list[dict[str, Any]]:
    """Make pairs of a right and a wrong answer.

    The wrong one is what an expert says (of any skill, where it happens to be wrong), or a
    spoilt right one; without `weights` always the latter.
    """
    rng = Random(f"fusion preferences {seed}")
    examples = [draw(rng) for _ in range(count)]
    asked = [i for i in range(count) if weights is not None and rng.random() < SHARE_OF_EXPERTS]
    experts = [rng.choice(MEMBERS) for _ in asked]
    replies: dict[int, str] = {}
    if weights is not None:
        questions = [examples[index].question for index in asked]
        replies = dict(zip(asked, answers_of_experts(questions, experts, weights), strict=True))
    rows = []
    for index, example in enumerate(examples):
        reply = replies.get(index, "")
        wrong = reply if reply not in ("", example.answer) else corrupt(rng, example.answer)
        rows.append({"prompt": example.question, "chosen": example.answer, "rejected": wrong})
    return rows


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Write `sft.jsonl` and `preferences.jsonl`."""
    parser = argparse.ArgumentParser(prog="python -m experts.zoo.fusion_data", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--sft", type=int, default=72000, help="questions with answers")
    parser.add_argument("--preferences", type=int, default=4000, help="pairs of answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the zoo's experts")
    arguments = parser.parse_args()
    prepare(torch.get_num_threads())
    arguments.out.mkdir(parents=True, exist_ok=True)
    seed = arguments.seed
    write(arguments.out / "sft.jsonl", sft_rows(arguments.sft, seed))
    pairs = preference_rows(arguments.preferences, seed, arguments.weights)
    write(arguments.out / "preferences.jsonl", pairs)
    print(f"wrote {arguments.sft} questions and {len(pairs)} pairs to {arguments.out}")


if __name__ == "__main__":
    main()
