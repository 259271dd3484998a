"""Scripted answers in pieces, and the ways in which they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from scripted_ask import ScriptedAsk, chat

from aggregators.gather import Call
from experts.errors import BudgetSpent, ExpertError, ExpertLost, ExpertRefused
from experts.types import Chunk, Request


class Pieces(ScriptedAsk):
    """A tuple is one answer in pieces: texts, events to wait for, and an error to break off with.

    Whoever waits for an event and is aborted is counted as well.
    """

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        script = self._scripts[expert]
        if not isinstance(script, tuple):
            async for chunk in super().__call__(expert, request):
                yield chunk
            return
        self.asked.append((expert, request))
        for piece in script:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, ExpertError):
                raise piece
            else:
                yield piece if isinstance(piece, Chunk) else Chunk(piece)


def lost(expert: str) -> ExpertLost:
    return ExpertLost(f"{expert} is lost.", expert=expert)


def refused(expert: str, status: int) -> ExpertRefused:
    return ExpertRefused(f"{expert} refuses.", expert=expert, status=status, body={})


def spent(expert: str) -> BudgetSpent:
    return BudgetSpent("The budget is spent.", expert=expert, budget="calls")


def calls(*experts: str) -> list[Call]:
    return [Call(expert, chat()) for expert in experts]
