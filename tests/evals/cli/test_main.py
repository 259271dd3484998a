"""The whole command line: how fast it starts, and that every command finds its code."""

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from evals.cli import (
    bench,
    cascade,
    compose,
    demo,
    evaluate,
    expert,
    fuse,
    main,
    outcomes,
    profile,
    report,
    router_map,
    runs,
)
from evals.cli.capacity import simulate as simulation
from evals.cli.capacity import size as sizing
from experts.errors import ConfigError
from orchestrator.cli import main as service
from orchestrator.cli import router, running

HEAVY = {
    "torch", "ray", "vllm", "sklearn", "scipy", "numpy", "pyarrow", "transformers", "fastapi",
    "httpx", "yaml", "rich", "uvloop", "matplotlib", "asyncio", "pydantic",
}  # fmt: skip
GROUPS = (
    "", "router", "eval", "fuse", "outcomes", "expert", "cascade", "zoo", "key", "config",
)  # fmt: skip
HELP = """
import json, sys
from evals.cli.main import main
sys.argv = ["coterie", *sys.argv[1:], "--help"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _commands(app: typer.Typer, *before: str) -> list[tuple[str, ...]]:
    found = [
        (*before, one.name or str(getattr(one.callback, "__name__", "")))
        for one in app.registered_commands
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found += _commands(group.typer_instance, *before, str(group.name))
    return found


COMMANDS = _commands(main.app)


@pytest.mark.parametrize("group", GROUPS)
def test_help_imports_nothing_heavy(group: str) -> None:
    command = [sys.executable, "-c", HELP, *group.split()]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    *printed, modules = done.stdout.strip().splitlines()

    assert printed[0].startswith(f"Usage: coterie {group}".rstrip())
    heavy = HEAVY if not group else HEAVY - {"pydantic"}  # Typer itself needs it for a group.
    assert sorted(heavy & {*json.loads(modules)}) == []


def test_every_group_is_among_those() -> None:
    assert {names[0] for names in COMMANDS if len(names) > 1} == {*GROUPS} - {""}


@pytest.mark.parametrize("names", [*COMMANDS, *((one,) for one in GROUPS)], ids=" ".join)
def test_every_help_has_a_sentence_that_is_not_cut_off(names: tuple[str, ...]) -> None:
    said = CliRunner().invoke(main.app, [*filter(None, names), "--help"], terminal_width=80)
    about = [line.strip() for line in said.output.splitlines()[1:] if line.strip()]

    assert said.exit_code == 0
    assert about[0].endswith(".")
    assert "..." not in "".join(about)


ARGUMENTS = {
    ("serve",): [], ("validate",): ["f.yaml"], ("doctor",): [], ("models",): [],
    ("route",): ["2 + 2?"],
    ("plan",): ["f.jsonl"], ("ps",): [], ("schema",): [],
    ("batch",): ["f.jsonl", "-o", "out.jsonl"],
    ("router", "fit"): ["near"], ("router", "calibrate"): ["near", "--max-price", "1"],
    ("router", "map"): ["near"],
    ("demo",): [], ("profile",): [], ("bench",): [], ("bench-panel",): [], ("bench-swap",): [],
    ("bench-fusion",): [], ("bench-batch",): [], ("bench-slot",): ["near", "far"],
    ("bench-gateway",): [], ("bench-size",): [], ("simulate",): [], ("size",): ["--rate", "3"],
    ("zoo", "report"): [],
    ("eval", "routers"): ["--fit", "x"], ("eval", "votes"): ["--fit", "x"],
    ("eval", "coverage"): ["--fit", "x"], ("eval", "debates"): [],
    ("eval", "report"): ["run"], ("eval", "compare"): ["run-a", "run-b"],
    ("eval", "run"): ["logic", "-o", "out"], ("bench-eval",): [],
    ("eval", "conversations"): ["-t", "logic"],
    ("eval", "latency"): [], ("eval", "pool"): ["-t", "logic"], ("eval", "panels"): [],
    ("fuse", "contrast"): ["-c", "f.yaml", "-o", "out"],
    ("fuse", "fusion-route"): ["-o", "out", "--evaluate"],
    ("fuse", "mixture-of-thoughts"): ["-o", "out", "-c", "f.yaml"],
    ("fuse", "self-contrast"): ["--expert", "duo", "-t", "logic"],
    ("outcomes", "add"): ["f.jsonl", "--table", "t.parquet"], ("expert", "add"): ["f.yaml"],
    ("cascade", "fit"): ["pool/cascade"], ("compose",): ["run"],
    ("key", "create"): ["ann", "--models", "far", "--tokens-per-day", "5", "--admin"],
    ("key", "revoke"): ["ann"], ("key", "list"): [],
    ("reload",): ["--dry-run"], ("config", "diff"): ["old.yaml", "new.yaml"],
}  # fmt: skip
MODULES = (bench, cascade, compose, demo, evaluate, expert, fuse, outcomes, profile, simulation,
           sizing, service, report, router, router_map, runs)  # fmt: skip


def test_role_tokens_without_a_folder_are_refused() -> None:
    words = ["fuse", "self-contrast", "--expert", "duo", "-t", "roman", "--role-token", "<a>"]
    said = CliRunner().invoke(main.app, words)
    assert isinstance(said.exception, ConfigError)
    assert "--out" in str(said.exception)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_finds_its_code(names: tuple[str, ...], monkeypatch: Any) -> None:
    called: list[tuple[str, list[Any], dict[str, Any]]] = []

    def launched(target: str, config: Path | None, *arguments: Any) -> None:
        # A `Progress`, then the configuration where there is one.
        called.append((target, [None, *([] if config is None else [config]), *arguments], {}))

    def run(target: str, *arguments: Any, **keywords: Any) -> None:
        called.append((target, [*arguments], keywords))

    for module in MODULES:
        if hasattr(module, "launch"):
            monkeypatch.setattr(module, "launch", launched)
    monkeypatch.setattr(running, "call", run)
    done = CliRunner().invoke(main.app, [*names, *ARGUMENTS[names]])

    assert done.exception is None
    [(target, arguments, keywords)] = called
    module_name, _, function = target.partition(":")
    inspect.signature(getattr(import_module(module_name), function)).bind(*arguments, **keywords)


def test_the_defaults_of_a_simulation_are_those_of_its_machine() -> None:
    machine = import_module("evals.benchmarks.simulation.service").Machine()
    setting = import_module("evals.benchmarks.simulation.setting").Setting()
    parameters = inspect.signature(simulation.simulate).parameters
    given = {name: parameter.default for name, parameter in parameters.items()}

    for name in ("slots", "load_s", "wake_s", "solo_s", "work_s"):
        assert given[name] == getattr(machine, name), name
    for name in ("trace", "experts", "requests", "alpha", "batch_share", "seed"):
        assert given[name] == getattr(setting, name), name


@pytest.mark.parametrize("command", [["demo"], ["profile"], ["bench"], ["zoo", "report"]])
def test_a_missing_configuration_is_one_line_and_exit_code_2(
    command: list[str], tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["coterie", *command])
    with pytest.raises(SystemExit) as caught:
        main.main()

    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: examples/zoo.yaml: there is no such file")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("method", ["fusion-route", "mixture-of-thoughts"])
def test_fusing_without_anything_to_do_is_said(method: str) -> None:
    done = CliRunner().invoke(main.app, ["fuse", method, "--out", "out"])
    assert isinstance(done.exception, ConfigError)
    assert "Give --config FILE to train, or --evaluate." in str(done.exception)
