"""What `coterie doctor` does: reads the machine, asks what the configuration names, and tells."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import typer

from experts.errors import ConfigError
from orchestrator.cli.doctor.cluster import check_cluster, join
from orchestrator.cli.doctor.engine import read_installed
from orchestrator.cli.doctor.engine_checks import check_engine
from orchestrator.cli.doctor.exposure import check_exposure
from orchestrator.cli.doctor.finding import Finding, Level, fault, ok, summary, warning
from orchestrator.cli.doctor.machine import Machine, read_machine
from orchestrator.cli.doctor.machine_checks import Needs, check_gpus, check_machine
from orchestrator.cli.doctor.models import check_models
from orchestrator.cli.doctor.needs import needs_of
from orchestrator.cli.doctor.ports import check_ports
from orchestrator.cli.doctor.store import check_store
from orchestrator.cli.serve import usual_store, with_store
from orchestrator.cli.unreadable import unreadable_files
from orchestrator.config.checks import missing_files
from orchestrator.config.model import Config, load_config

ADVICE = "Correct it; `coterie validate` tells whether it is."
THE_REST = "memory, ports, store, Ray, keys, models"
"""What needs a configuration to be looked at."""
MARKS = {Level.OK: "ok", Level.WARNING: "warning", Level.FAULT: "FAULT"}


def doctor(file: Path, as_json: bool) -> None:
    """Tell of this machine for a configuration; exit code 1 where there is a fault."""
    findings = list(examine(file))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        for line in lines_of(findings):
            typer.echo(line)
    if any(one.level is Level.FAULT for one in findings):
        raise SystemExit(1)


def examine(file: Path) -> Iterator[Finding]:
    """Everything that is found; a configuration with mistakes leaves what needs it out."""
    mistakes, config = _read(file)
    needs = needs_of(config) if config is not None else Needs()
    folders = (usual_store(file).parent, Path.home() / ".cache")
    yield from _examine_machine(read_machine(folders), needs, config)
    yield from mistakes
    if config is not None:
        yield from _examine_pool(config, file)
    else:
        yield warning("the rest", f"not looked at: {THE_REST}", "Correct the configuration first.")


def _read(file: Path) -> tuple[list[Finding], Config | None]:
    """The configuration, or a fault for each mistake in it."""
    try:
        config = load_config(file)
        problems = [*missing_files(config.routers)]
        problems = problems or unreadable_files(config)
    except ConfigError as error:
        if not error.problems:  # The file itself cannot be read.
            return [fault("configuration", error.message, error.hint or ADVICE)], None
        return [_mistake(one) for one in error.problems], None
    return [_mistake(one) for one in problems] or [ok("configuration", f"{file} is valid")], config


def _mistake(problem: str) -> Finding:
    place, colon, words = problem.partition(": ")
    named = (place, words) if colon and " " not in place else ("configuration", problem)
    return fault(*named, ADVICE)


def _examine_machine(machine: Machine, needs: Needs, config: Config | None) -> Iterator[Finding]:
    installed = read_installed()
    yield from check_machine(machine, needs)
    yield from check_gpus(machine, needs, installed.cuda)
    hosts = config is None or (bool(config.hosted()) and config.ray.address is None)
    yield from check_engine(installed, hosts=hosts, has_gpu=bool(machine.gpus))


def _examine_pool(config: Config, file: Path) -> Iterator[Finding]:
    """What the configuration names, in this place or elsewhere."""
    settings = with_store(config, file)
    yield from check_ports(settings.server)
    store, stored_keys = asyncio.run(check_store(settings))
    yield store
    if settings.hosted():
        yield from _examine_ray(settings)
    yield from check_exposure(settings, stored_keys)
    yield from check_models(settings.hosted(), settings.slots.offline)


def _examine_ray(config: Config) -> Iterator[Finding]:
    address = config.ray.address
    if address is None:
        yield ok("ray", f"Ray {version('ray')} is started here, with the service")
    else:
        yield from check_cluster(address, join(address), config.slots)


def lines_of(findings: Sequence[Finding]) -> Iterator[str]:
    """The report: what is wrong says on a line of its own what to do."""
    width = max((len(one.about) for one in findings), default=0)
    for one in findings:
        yield f"{MARKS[one.level]:8}{one.about:{width}}  {one.found}"
        if one.advice:
            yield f"{'':8}{'':{width}}  -> {one.advice}"
    yield summary(findings)
