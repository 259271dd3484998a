"""The pool of compose.yaml is valid, and fits what stands around it."""

import re
from pathlib import Path

import pytest
from composed import FOLDER, filled, services, text_of
from dockerfile import DOCKERFILE, environment
from repository import ROOT
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.config.model import Config, load_config

POOL = FOLDER / "pool.yaml"
GATEWAY = services()["gateway-a"]
IMAGE = environment(DOCKERFILE.read_text(encoding="utf-8"))
NAMED = set(re.findall(r"\$\{env:(\w+)\}", text_of("pool.yaml")))
KEY = "0" * 64


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("COTERIE_ZOO", str(ROOT / "experts/zoo"))
    for name in NAMED - {"COTERIE_ZOO"}:
        monkeypatch.setenv(name, KEY)
    return load_config(POOL)


def test_it_is_valid(config: Config) -> None:
    done = CliRunner().invoke(app, ["validate", str(POOL)])
    assert done.exit_code == 0, done.output
    assert "is valid: 5 experts, 1 composition" in done.output


def test_every_variable_that_it_names_is_given() -> None:
    given = {**IMAGE, **GATEWAY["environment"]}
    assert NAMED - given.keys() == set()


def test_gateways_share_what_they_must(config: Config) -> None:
    assert (config.ray.address, config.ray.pool) == ("auto", "compose")
    host = config.store.rpartition("@")[2].partition(":")[0]
    assert host in services()
    assert config.server.api_keys["admin"].admin
    endpoint = config.traces.otlp.endpoint or ""
    assert endpoint.removeprefix("http://").partition(":")[0] in services()


def test_slots_fit_onto_the_worker(config: Config) -> None:
    worker = services()["ray-worker"]
    (cpus,) = [w for w in worker["command"] if w.startswith("--num-cpus=")]
    limits = worker["deploy"]["resources"]["limits"]
    slots = config.slots
    assert slots.count * slots.cpus <= int(filled(cpus).partition("=")[2])
    assert slots.count * slots.memory_gb < int(filled(limits["memory"]).removesuffix("g"))
    assert " --num-cpus=0 " in " ".join(services()["ray-head"]["command"])


def test_answers_may_end_before_a_gateway_is_killed(config: Config) -> None:
    bounds = config.server.drain_notice_s + config.server.drain_timeout_s
    assert int(GATEWAY["stop_grace_period"].removesuffix("s")) > bounds


def test_the_balancer_knows_before_the_door_shuts(config: Config) -> None:
    caddy = text_of("Caddyfile")
    seconds = {
        key: float(re.search(rf"{key} (\d+)s", caddy)[1])  # type: ignore[index]
        for key in ("health_interval", "health_timeout")
    }
    assert sum(seconds.values()) < config.server.drain_notice_s


def test_the_image_itself_serves_the_zoo() -> None:
    """Where `/usr/share/coterie/examples/zoo.yaml` looks for its models, by the image's link."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert 'ln -s "${COTERIE_ZOO%/zoo}" /usr/share/coterie/experts' in text
    zoo = (ROOT / "examples/zoo.yaml").read_text(encoding="utf-8")
    paths = re.findall(r"\.\./(experts/zoo/\S+?)[,}\s]", zoo)
    assert paths
    assert all(Path(ROOT / path).exists() for path in paths)
