"""The keys of debates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from aggregators.base import AggregatorConfig
from aggregators.debate.graph import Graph
from aggregators.grouping import AnswerKind
from aggregators.vote_weights import VotingConfig

PEERS = "Here is another answer{times}:\n{fence}\n{answer}\n{fence}"
"""Without numbers where it can be: small models take the share of the others for the answer."""


class DebateConfig(VotingConfig):
    """The keys of a debate."""

    type: Literal["debate"]
    rounds: int = Field(2, ge=0, le=8, description="Rounds of discussion after the first answers.")
    graph: Graph = Field(
        "full",
        description="Which experts hear each other: all, neighbours in a ring, or all the first"
        " one, which hears all.",
    )
    answer: AnswerKind = Field(
        "auto",
        description="What is compared of two answers; see the keys of `vote`.",
    )
    discussants: tuple[str, ...] = Field(
        (),
        description="The experts that hear others and answer again, where not all can follow a"
        " discussion; empty for all of them.",
    )
    words: int = Field(200, ge=1, description="Most words of an answer that others see.")
    prompt: Path | None = Field(
        None,
        description="The prompt of a round: a text file with the fields {question} and {answers},"
        " and {own} if an expert should see its last answer. A line [user], [assistant]"
        " or [system] begins a message of its own; by default a built-in prompt.",
    )
    peers: str = Field(
        PEERS,
        description="How each group of equal answers is quoted in {answers}: the field {answer},"
        " and optionally {number}, {count}, {share}, {fence} and {times}, which is empty, or says"
        " that several gave this answer.",
    )
    subtopics: int = Field(
        0,
        ge=0,
        le=8,
        description="Narrower questions that are debated where no agreement is reached"
        " (Tree-of-Debate); 0 for none.",
    )
    depth: int = Field(
        1,
        ge=1,
        le=3,
        description="How often narrower questions may be split again.",
    )
    moderator: str | None = Field(
        None,
        description="The expert that splits questions; by default the router's lead, or the first.",
    )

    def discusses(self, expert: str) -> bool:
        """Whether an expert hears others and answers again."""
        return not self.discussants or expert in self.discussants

    def named(self) -> dict[str, tuple[str, ...]]:
        """Discussants and moderator must be in the pool."""
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
    answer: AnswerKind = Field(
        "auto",
        description="What is compared of two answers; see the keys of `vote`.",
    )
    rounds: int = Field(3, ge=1, le=8, description="Number of arguments of each side.")
    words: int = Field(150, ge=1, description="Most words of an argument; the rest is cut off.")
    shortest_quote: int = Field(
        8, ge=1, description="Length in letters of the shortest quote that is verified."
    )
    quoted_letters: int = Field(
        250,
        ge=0,
        description="Most letters of an argument's verified quotes; further quotes are not.",
    )
    judge: str | None = Field(
        None,
        description="The expert that judges; by default the router's lead, or the panel's last.",
    )
    judge_tokens: int = Field(256, ge=1, description="Most tokens of the judge's reply.")
    argument_prompt: Path | None = Field(
        None,
        description="A debater's prompt: a text file with {question}, {answer}, {other} and"
        " {transcript}, and optionally {source} and {words}; by default a built-in prompt.",
    )
    prompt: Path | None = Field(
        None,
        description="The judge's prompt: a text file with {question}, {first} and {second}, and"
        " optionally {fence}; by default a built-in prompt.",
    )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The judge must be in the pool."""
        return {"judge": (self.judge,) if self.judge is not None else ()}
