"""The fused policy's own wrong answers, as rejected answers for the preference stage."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from experts.files.jsonl import read_jsonl
from experts.fused.training.encoding import Row, Say
from routers.fusion_route.decode import FusedPolicy, Role

LONGER = 8
"""A wrong answer may grow this many tokens longer than the longest right one."""

Pairs = list[tuple[Row, Row]]


def own_mistakes(
    policy: FusedPolicy,
    rows: Sequence[Row],
    count: int,
    seed: int,
    path: Path,
    say: Say,
) -> Pairs:
    """Let the policy answer `count` of the rows; returns pairs of the right and its wrong answer.

    The answers are greedy, and the seed alone decides which rows are answered. They are kept in
    `path`, so that a resumed run, whose policy has changed since, finds the same ones.
    """
    if not path.exists():
        asked = Random(f"mistakes {seed}").sample(rows, min(count, len(rows)))
        _write(path, _find(policy, asked, say))
    return _read(path)


def _find(policy: FusedPolicy, asked: Sequence[Row], say: Say) -> Pairs:
    prompts = [row.tokens[: row.prompt] for row in asked]
    most = max(row.answer for row in asked) + LONGER
    answers = policy.decode(prompts, Role("route", None, True), most, say)
    pairs = []
    for row, answer in zip(asked, answers, strict=True):
        tokens = (*answer.tokens, policy.eos) if answer.finished else answer.tokens
        if tokens != row.tokens[row.prompt :]:
            pairs.append((row, Row((*row.tokens[: row.prompt], *tokens), row.prompt)))
    return pairs


def _write(path: Path, pairs: Pairs) -> None:
    lines = [
        json.dumps({"prompt": right.prompt, "chosen": right.tokens, "rejected": wrong.tokens})
        for right, wrong in pairs
    ]
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    unfinished.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    unfinished.replace(path)


def _read(path: Path) -> Pairs:
    lines: dict[int, dict[str, Any]] = read_jsonl(path, dict)
    return [
        (Row(tuple(line["chosen"]), line["prompt"]), Row(tuple(line["rejected"]), line["prompt"]))
        for line in lines.values()
    ]
