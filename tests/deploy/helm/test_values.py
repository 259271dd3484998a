"""Values that make no sense are refused, before anything reaches a cluster."""

from typing import Any

import pytest
import yaml
from chart import CHART, EVERYTHING, PLAIN, at, mistakes, values
from repository import ROOT

TOKEN = "0" * 64


@pytest.mark.parametrize("name", [PLAIN, EVERYTHING])
def test_values_that_make_sense(name: str) -> None:
    assert mistakes(values(name)) == []


def test_without_a_pool_and_a_secret_nothing_is_installed() -> None:
    own = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert {*mistakes(own)} == {"pool", "secret.values"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.tag", "latest"),
        ("image.tag", ""),
        ("image.repository", "Not A Name"),
        ("image.pullPolicy", "Sometimes"),
        ("pool.experts", []),
        ("pool.store", "memory"),
        ("pool.store", "sqlite:/var/lib/coterie/coterie.db"),
        ("pool.ray", {"address": "10.0.0.1:6379"}),
        ("pool.server.host", "127.0.0.1"),
        ("pool.server.port", 9000),
        ("pool.server.api_keys", None),
        ("pool.server.drain_timeout_s", -1),
        ("secret.values.RAY_AUTH_TOKEN", "short"),
        ("secret.values.REDIS_PASSWORD", ""),
        ("secret.values", {"no-variable": "x", "RAY_AUTH_TOKEN": TOKEN}),
        ("models.size", "a lot"),
        ("models.accessMode", "ReadWriteOften"),
        ("gateways.replicas", 0),
        ("gateways.replicas", "two"),
        ("gateways.port", 70_000),
        ("gateways.pdb.maxUnavailable", 0),
        ("gateways.pdb.maxUnavailable", "half"),
        ("gateways.autoscaling.cpuPercent", 0),
        ("gateways.service.type", "ExternalName"),
        ("gateways.resources.limits.memory", "6 GB"),
        ("gateways.resources.requests.gpu", 1),
        ("ray.version", "2.60"),
        ("ray.workers.cpus", 0),
        ("ray.workers.gpus", 0.5),
        ("ray.workers.maxReplicas", 0),
        ("ray.workers.memory", "-1Gi"),
        ("ray.workers.shm", 1),
        ("networkPolicy.clients", [{}]),
        ("serviceMonitor.interval", "often"),
        ("gateway.replicas", 2),
        ("gateways.replica", 2),
    ],
)
def test_values_that_make_none(path: str, value: Any) -> None:
    found = mistakes(values(PLAIN, at(path, value)))
    assert found
    # The mistake is named where it is, or in what holds it.
    assert any(path.startswith(place) or place.startswith(path) for place in found), found


def test_secrets_come_from_one_place() -> None:
    assert mistakes(values(PLAIN, at("secret.existing", "both-ways"))) == ["secret.values"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("gateways.pdb.maxUnavailable", "25%"),
        ("gateways.resources.requests.cpu", 0.5),
        ("gateways.resources.requests.cpu", "500m"),
        ("ray.workers.replicas", 0),
        ("pool.store", "rediss://:${env:REDIS_PASSWORD}@redis-a:6379,redis-b:6379/0"),
        ("global", {"anything": 1}),
    ],
)
def test_what_is_unusual_and_right(path: str, value: Any) -> None:
    assert mistakes(values(PLAIN, at(path, value))) == []


def test_the_chart_is_of_this_version_and_of_the_locked_ray() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    own = values(PLAIN)
    assert own["image"]["tag"].startswith(f"{chart['appVersion']}-")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{chart["appVersion"]}"' in pyproject
    lock = (ROOT / "deploy/locks/cuda.txt").read_text(encoding="utf-8")
    assert f"ray=={own['ray']['version']}" in lock.splitlines()
