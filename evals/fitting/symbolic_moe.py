"""Part of the profile run: what the Symbolic-MoE routers of a configuration want to know."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregators.synthesize.synthesize import Synthesize
from evals.client.ask import Answer
from evals.client.progress import Progress
from evals.fitting.leads import mix, probe_leads
from evals.fitting.probes import Probe
from evals.fitting.skill_tagging import tag
from experts.errors import ConfigError
from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.request.compositions import Compositions
from routers.base import Tagging
from routers.outcomes import OutcomeTable
from routers.symbolic_moe.leads import Leads
from routers.symbolic_moe.symbolic_config import SymbolicConfig

TYPE = "symbolic_moe"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there is to be asked."""

    tagging: Tagging | None
    leads: Mapping[Path, Synthesize]
    """File -> the aggregator whose prompt is probed."""

    def beside(self, table: Path) -> "Wanted":
        """The same into files beside `table`: the routers' own files stay as they are."""
        names = {file: table.with_name(f"{table.stem}-{file.name}") for file in self.leads}
        return Wanted(self.tagging, {names[file]: one for file, one in self.leads.items()})


NOTHING = Wanted(None, {})


def wanted(settings: Config) -> Wanted:
    """What the routers name. Raises ConfigError where two of them contradict each other."""
    routers = {
        name: SymbolicConfig.model_validate(dict(keys))
        for name, keys in settings.routers.items()
        if keys.get("type") == TYPE
    }
    taggings = {found for config in routers.values() if (found := config.tagging()) is not None}
    if len(taggings) > 1:
        raise ConfigError(
            "Routers of type symbolic_moe name different taggers, prompts or samples: the outcome"
            " table holds the keywords of one."
        )
    leads = {
        config.leads: _synthesis(settings, name)
        for name, config in routers.items()
        if config.leads is not None
    }
    return Wanted(next(iter(taggings), None), leads)


async def prepare(
    base_url: str,
    what: Wanted,
    path: Path,
    probes: Sequence[Probe],
    versions: Mapping[str, str],
    progress: Progress,
) -> list[Answer]:
    """Ask what is missing and write it, into the table at `path` and the files of the leads.

    Returns the calls that failed.
    """
    failed: list[Answer] = []
    table = await asyncio.to_thread(_table, path)
    if table is None:
        return failed  # No probe was answered.
    async with ExpertClient() as client:
        if what.tagging is not None:
            table, lost = await tag(
                client,
                base_url,
                table,
                what.tagging,
                versions[what.tagging.expert],
                progress,
            )
            table.write(path)
            failed += lost
        for file, synthesis in what.leads.items():
            mixed = mix(table, probes)
            before = await asyncio.to_thread(_leads, file)
            leads, lost = await probe_leads(
                client, base_url, mixed, synthesis.prompt, versions, before, progress
            )
            leads.write(file)
            failed += lost
    return failed


def _table(path: Path) -> OutcomeTable | None:
    return OutcomeTable.read(path) if path.exists() else None


def _leads(file: Path) -> Leads:
    return Leads.read(file) if file.exists() else Leads()


def _synthesis(settings: Config, router: str) -> Synthesize:
    """The aggregator that works with a router. Raises ConfigError where there is none."""
    compositions = Compositions(settings)
    parts = [compositions.named(n) for n, c in settings.compositions.items() if c.router == router]
    built = {id(p.aggregator): p.aggregator for p in parts if p.aggregator}
    found = [one for one in built.values() if isinstance(one, Synthesize)]
    if len(found) != 1:
        raise ConfigError(
            f"routers.{router}.leads: {len(found)} aggregators of type synthesize stand beside it"
            " in `compositions`; one is needed, whose prompt is probed."
        )
    return found[0]
