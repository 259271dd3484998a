"""Multi-agent debate over any experts (Du et al., arXiv 2305.14325; ReConcile, arXiv 2309.13007).

Most of what a debate gains comes from the vote (arXiv 2508.17536), so it stops where all agree or
no expert has changed its answer. Splitting a question that stays open into narrower ones, which are
debated in the same way, is Tree-of-Debate's idea (arXiv 2502.14767).
"""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from aggregators.base import Ask, Panel
from aggregators.debate.debate_config import DebateConfig
from aggregators.debate.discussion import Discussion, Prompts
from aggregators.gather import as_chunk
from aggregators.grouping import CANNOT_GROUP
from experts.prompts import read_template
from experts.types import Chunk, Request

FOLDER = Path(__file__).parent


class Debate:
    """Agents answer, read each other's answers and answer again; in the end a vote decides."""

    Config = DebateConfig

    def __init__(self, config: DebateConfig) -> None:
        """Raises ConfigError for a prompt that cannot be read or lacks a field."""
        self._config = config
        self._prompts = Prompts(
            read_template(config.prompt or FOLDER / "round.txt", ("question", "answers")),
            read_template(FOLDER / "split.txt", ("question", "answers", "count")),
            read_template(FOLDER / "findings.txt", ("question", "findings")),
        )

    def most_calls(self, panel: Panel) -> Counter[str]:
        """Nobody is convinced: every round, and every narrower question, as often as may be."""
        return self._most_calls(panel, self._config.depth)

    def _most_calls(self, panel: Panel, depth: int) -> Counter[str]:
        config, first = self._config, self._config.most_calls(panel)
        splits = bool(config.subtopics and depth)
        rounds = config.rounds + splits
        found = Counter({e: n * (1 + rounds * config.discusses(e)) for e, n in first.items()})
        if splits:
            below = self._most_calls(panel, depth - 1)
            found.update({expert: n * config.subtopics for expert, n in below.items()})
            found[config.moderator or panel.lead or panel.experts[0]] += 1
        return found

    async def aggregate(self, request: Request, panel: Panel, ask: Ask) -> AsyncIterator[Chunk]:
        """The winning answer."""
        discussion = Discussion(self._config, self._prompts, panel, ask)
        state = await discussion.run(request, self._config.depth)
        votes = {label: round(w, 3) for label, w in state.counted.weights.items()}
        words = "the debate is over" if votes else "no answer could be read"
        ask.tell(words if state.how != "none" else CANNOT_GROUP, votes=votes, grouping=state.how)
        yield as_chunk(state.winner)
