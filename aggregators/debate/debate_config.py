"""The keys of debates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.answer_extraction import Kind
from aggregators.base import AggregatorConfig
from aggregators.debate.graph import Graph
from aggregators.vote_weights import WeighingConfig

PEERS = "{count} of them, {share}:\n{fence}\n{answer}\n{fence}"


class DebateConfig(WeighingConfig):
    """The keys of a debate."""

    type: Literal["debate"]
    rounds: int = Field(2, ge=0, le=8, description="Rounds of discussion after the first answers.")
    graph: Graph = Field(
        "full",
        description="Who reads whose answers: everybody reads all, each reads its neighbours in"
        " a ring, or the first expert reads all and all read it.",
    )
    answer: Kind = Field("text", description="What of two answers is compared.")
    discussants: tuple[str, ...] = Field(
        (),
        description="The experts that read others and answer again, where not all can follow a"
        " discussion; empty: all.",
    )
    words: int = Field(
        200, ge=1, description="Words of each answer that are shown to others; then it is cut."
    )
    prompt: Path | None = Field(
        None,
        description="What an expert is asked after it has heard the others: a text file with the"
        " fields {question} and {answers}, and {own} where it is to see its last answer.",
    )
    peers: str = Field(
        PEERS,
        description="How each group of equal answers appears in {answers}: {answer}, and where"
        " wanted {number}, {count}, {share} and {fence}.",
    )
    subtopics: int = Field(
        0,
        ge=0,
        le=8,
        description="How many narrower questions are discussed first when no side has convinced"
        " the others (Tree-of-Debate); 0: none.",
    )
    depth: int = Field(
        1, ge=1, le=3, description="How many times such questions may be split again."
    )
    moderator: str | None = Field(
        None,
        description="The expert that splits questions; null: the one that the router names, or"
        " the first.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """They must be in the pool."""
        moderator = (self.moderator,) if self.moderator is not None else ()
        return {"discussants": self.discussants, "moderator": moderator}

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """`peers` must show an answer."""
        missing = "{answer}" not in self.peers
        return (
            *super().problems(experts),
            *(("peers: the field {answer} is missing.",) if missing else ()),
        )


class JudgedDebateConfig(AggregatorConfig):
    """The keys of a judged debate."""

    type: Literal["judged_debate"]
    answer: Kind = Field("text", description="What of two answers is compared.")
    rounds: int = Field(3, ge=1, le=8, description="Arguments of each side.")
    words: int = Field(150, ge=1, description="Words of an argument; then it is cut.")
    shortest_quote: int = Field(
        8, ge=1, description="Characters of the shortest quote that is certified."
    )
    quoted_letters: int = Field(
        250,
        ge=0,
        description="Most characters of certified quotes in one argument; further ones are not"
        " certified.",
    )
    judge: str | None = Field(
        None,
        description="The expert that judges; null: the one that the router names, or the last"
        " of the panel.",
    )
    judge_tokens: int = Field(256, ge=1, description="Most tokens of the judge's reply.")
    argument_prompt: Path | None = Field(
        None,
        description="A text file that asks a debater, with {question}, {answer}, {other} and"
        " {transcript}, and where wanted {source} and {words}; null: the built-in"
        " prompt.",
    )
    prompt: Path | None = Field(
        None,
        description="What the judge is asked: a text file with {question}, {first} and {second};"
        " {fence} may be there. Else our own.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The judge must be in the pool."""
        return {"judge": (self.judge,) if self.judge is not None else ()}
