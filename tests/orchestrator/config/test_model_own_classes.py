"""Routers, aggregators and engines from an installed package of somebody else."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from config_files import REMOTE, problems_of
from openai import AsyncOpenAI
from repository import ROOT

from aggregators import registry as aggregators
from experts import own_engines
from experts.errors import RequestError
from experts.spec import OwnSpec
from experts.types import Request
from orchestrator.cli.main import app
from orchestrator.cli.running import run
from orchestrator.config.model import load_config
from orchestrator.request.compositions import Compositions
from orchestrator.request.context import RequestOptions
from orchestrator.service import start_service
from routers import registry as routers

ROUTER = {"type": "my_coterie.routers:LengthRouter", "short": "far", "long": "greeter"}
ENGINE = {"type": "my_coterie.engines:Greeter", "greeting": "hello", "about": "greets"}
LONGEST = "my_coterie.aggregators:Longest"
POOL = {
    "experts": {"far": REMOTE, "greeter": {**ENGINE, "max_in_flight": 2}},
    "routers": {"length": ROUTER},
    "aggregators": {"longest": {"type": LONGEST, "at_most": 2}},
    "compositions": {
        "pool/auto": {"router": "length"},
        "pool/both": {"router": "length", "aggregator": "longest"},
        "pool/plain": {"router": "length", "aggregator": LONGEST},
    },
}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package, built and installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    source = ROOT / "tests" / "support" / "plugin_package"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = ["--no-build-isolation", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([*command, *options, str(source)], check=True, capture_output=True)
    assert list(folder.glob("my_coterie-*.dist-info"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_coterie"]:
        del sys.modules[name]


def _changed(section: str, name: str, **keys: Any) -> dict[str, Any]:
    entries: Any = POOL[section]
    return {**POOL, section: {**entries, name: {**entries[name], **keys}}}


def test_a_file_that_names_them_is_right(write: Callable[[Any], Path]) -> None:
    config = load_config(write(POOL))
    spec = config.experts["greeter"]
    assert isinstance(spec, OwnSpec)
    assert (spec.about, spec.max_in_flight, spec.hosted) == ("greets", 2, False)
    assert spec.keys == {"greeting": "hello"}


def test_they_are_built_with_their_keys(write: Callable[[Any], Path]) -> None:
    config = load_config(write(POOL))
    names = tuple(config.experts)
    router: Any = routers.build("length", config.routers["length"], names, pytest.fail)
    asked = [Request("r", "completions", {"prompt": text}) for text in ("Hi", "word " * 20)]
    assert [d.scores[0][0] for d in router.route(asked)] == ["far", "greeter"]
    made: Any = aggregators.build("aggregators.longest", config.aggregators["longest"], names)
    assert made.config.at_most == 2
    spec = config.experts["greeter"]
    assert isinstance(spec, OwnSpec)
    engine: Any = own_engines.build("greeter", spec)
    assert (engine.name, engine.config.greeting) == ("greeter", "hello")


def test_a_composition_may_name_an_aggregators_class(write: Callable[[Any], Path]) -> None:
    compositions = Compositions(load_config(write(POOL)))
    aggregator: Any = compositions.named("pool/plain").aggregator
    assert type(aggregator).__name__ == "Longest"
    assert aggregator.config.at_most == 3


def test_a_client_cannot_have_a_module_imported(write: Callable[[Any], Path]) -> None:
    compositions = Compositions(load_config(write(POOL)))
    with pytest.raises(RequestError, match="No aggregator is called"):
        compositions.find("pool/auto", RequestOptions(aggregator=LONGEST))


@pytest.mark.parametrize(
    ("section", "name"),
    [("routers", "length"), ("aggregators", "longest"), ("experts", "greeter")],
)
def test_their_relative_paths_start_at_the_file(
    write: Callable[[Any], Path], section: str, name: str
) -> None:
    path = write(_changed(section, name, notes="notes.txt"))
    entry: Any = getattr(load_config(path), section)[name]
    notes = entry.keys["notes"] if section == "experts" else entry["notes"]
    assert notes == str(path.parent.resolve() / "notes.txt")


MISTAKES = {
    "an unknown key of a router": (
        _changed("routers", "length", leters=3),
        "routers.length.leters: unknown key. Did you mean `letters`?",
    ),
    "an unknown key of an aggregator": (
        _changed("aggregators", "longest", xyz=3),
        "aggregators.longest.xyz: unknown key. Known keys: at_most, notes.",
    ),
    "an unknown key of an engine": (
        _changed("experts", "greeter", greting="x"),
        "experts.greeter.greting: unknown key. Did you mean `greeting`?",
    ),
    "a wrong value, which is not shown": (
        _changed("experts", "greeter", greeting="", token=["s3cret"]),
        "experts.greeter.token: must be a text.",
    ),
    "a missing key": (
        {**POOL, "routers": {"length": {"type": ROUTER["type"], "short": "far"}}},
        "routers.length.long: this key is required: the expert for long questions.",
    ),
    "an expert that is not there": (
        _changed("routers", "length", long="nobody"),
        "routers.length.long: no expert is called `nobody`.",
    ),
    "no module": (
        _changed("routers", "length", type="my_coterie.nothing:It"),
        "routers.length.type: there is no module `my_coterie.nothing`; install its package",
    ),
    "no class": (
        _changed("routers", "length", type="my_coterie.routers:It"),
        "routers.length.type: the module `my_coterie.routers` has no `It`.",
    ),
    "not a class": (
        _changed("routers", "length", type="my_coterie.routers:Sequence"),
        "routers.length.type: `my_coterie.routers:Sequence` ",
    ),
    "a class of another family": (
        _changed("routers", "length", type=LONGEST),
        f"routers.length.type: `{LONGEST}` is no router: it has no method `route`.",
    ),
    "a module that breaks": (
        _changed("aggregators", "longest", type="my_coterie.broken:It"),
        "aggregators.longest.type: the import of `my_coterie.broken` failed"
        " (RuntimeError: out of order).",
    ),
    "a module that ends the process": (
        _changed("aggregators", "longest", type="my_coterie.exits:It"),
        "aggregators.longest.type: the import of `my_coterie.exits` failed (SystemExit: 3).",
    ),
    "not module:Class": (
        _changed("experts", "greeter", type="my_coterie/engines:Greeter"),
        "experts.greeter.type: `my_coterie/engines:Greeter` must look like my_package.my_module",
    ),
    "no Config": (
        _changed("experts", "greeter", type="my_coterie.engines:WithoutConfig"),
        "experts.greeter.type: `my_coterie.engines:WithoutConfig` has no nested class `Config`",
    ),
    "a Config that accepts everything": (
        _changed("experts", "greeter", type="my_coterie.engines:Lenient"),
        "experts.greeter.type: `my_coterie.engines:Lenient` must refuse unknown keys: set"
        ' `model_config = ConfigDict(extra="forbid")`',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_path(write: Callable[[Any], Path], mistake: str) -> None:
    content, expected = MISTAKES[mistake]
    problems = problems_of(write(content))
    assert any(problem.startswith(expected) for problem in problems), problems
    assert not any("s3cret" in problem for problem in problems)


def test_an_engines_keys_are_not_shown(write: Callable[[Any], Path]) -> None:
    config = load_config(write(_changed("experts", "greeter", token="s3cret")))
    assert "s3cret" not in f"{config!r} {config}"


def test_the_command_line_accepts_them(
    write: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "argv", ["coterie", "validate", str(write(POOL))])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert not ended.value.code
    assert "2 experts, 3 compositions" in capsys.readouterr().out


async def test_a_service_serves_them_all(write: Callable[[Any], Path]) -> None:
    pool = _changed("routers", "length", short="greeter", letters=5)
    config = load_config(write(pool))
    service = await start_service(config, on_event=lambda event: None, port=0)
    try:
        async with AsyncOpenAI(base_url=f"{service.base_url}/v1", api_key="none") as client:
            for model in ("greeter", "pool/auto", "pool/both"):
                messages: Any = [{"role": "user", "content": "Hi"}]
                answer = await client.chat.completions.create(model=model, messages=messages)
                assert answer.choices[0].message.content == "hello"
    finally:
        await service.stop()
