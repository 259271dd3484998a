"""compose.yaml: everything that it names is there, bounded, and nowhere twice."""

import re
from typing import Any

import pytest
from composed import FOLDER, filled, services, settings, text_of, tree_of, variables
from dockerfile import DOCKERFILE
from repository import ROOT

SERVICES = services()
TREE = tree_of("compose.yaml")
OURS = {name for name, one in SERVICES.items() if "COTERIE_IMAGE" in one["image"]}


def test_who_is_there() -> None:
    assert {*SERVICES} == OURS | {"balancer", "redis", "prometheus", "grafana", "otel-collector"}
    assert {"gateway-a", "gateway-b", "ray-head", "ray-worker"} == OURS


def test_every_image_has_a_version() -> None:
    for name, service in SERVICES.items():
        _, colon, tag = filled(service["image"]).rpartition(":")
        assert colon, name
        assert tag[:1].isdigit() or tag[:1] == "v", name
        assert tag != "latest"


def test_our_image_is_the_one_that_make_builds() -> None:
    version = next(
        line.split('"')[1]
        for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        if line.startswith("version = ")
    )
    assert {filled(SERVICES[name]["image"]) for name in OURS} == {f"coterie:{version}-cpu"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_bounded_and_can_do_little(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert {*limits} == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("healthcheck") or name == "balancer"


def _mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = [filled(volume).split(":") for volume in service.get("volumes", ())]
    return [(source, target) for source, target, *_ in pairs]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    targets = [target for _, target in _mounts(SERVICES[name])]
    assert len({*targets}) == len(targets)
    for source, target in _mounts(SERVICES[name]):
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
        else:
            assert source in TREE["volumes"], f"{source} for {target}"


def test_every_volume_and_network_has_a_user() -> None:
    used = {source for service in SERVICES.values() for source, _ in _mounts(service)}
    assert {*TREE["volumes"]} <= used
    assert {*TREE["networks"]} == {n for one in SERVICES.values() for n in one["networks"]}


def test_only_the_balancer_and_grafana_are_reached_from_outside() -> None:
    published = {n: filled(s["ports"][0]) for n, s in SERVICES.items() if "ports" in s}
    assert published == {"balancer": "8000:8000", "grafana": "127.0.0.1:3000:3000"}
    assert TREE["networks"]["back"] == {"internal": True}
    for name in {"redis", "ray-head", "ray-worker", "otel-collector", "prometheus"}:
        assert SERVICES[name]["networks"] == ["back"], name


def test_who_must_be_there_first_is_there_and_well() -> None:
    for name, service in SERVICES.items():
        for other in service.get("depends_on", ()):
            assert other in SERVICES, name
            waited = service["depends_on"]
            if isinstance(waited, dict) and waited[other]["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]


def test_every_variable_is_explained_and_every_explained_one_is_read() -> None:
    assert variables().keys() == settings().keys()
    must = {name for name, default in variables().items() if default is None}
    assert must == {name for name, value in settings().items() if value == "generated"}


def test_ours_has_its_programs_and_its_scripts_in_the_image() -> None:
    image = DOCKERFILE.read_text(encoding="utf-8")
    for name in OURS:
        words = " ".join((*SERVICES[name]["entrypoint"], *SERVICES[name]["command"]))
        (program,) = re.findall(r"coterie-gateway|\bray(?= )", words)
        assert f"/{program} " in image or f"/{program}\n" in image, name
        script = SERVICES[name]["healthcheck"]["test"][2]
        assert f"deploy/docker/{script.rpartition('/')[2]}" in image
        assert script.rpartition("/")[0] in image


def test_what_is_read_only_can_write_where_it_must() -> None:
    for name in OURS:
        folders = {entry.partition(":")[0] for entry in SERVICES[name]["tmpfs"]}
        assert SERVICES[name]["read_only"]
        assert {"/tmp", "/home/coterie"} <= folders


def test_no_secret_stands_in_a_file() -> None:
    for name, value in settings().items():
        if any(word in name for word in ("TOKEN", "PASSWORD", "KEY")):
            assert value == "generated", name
    assert "/deploy/compose/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert "requirepass" not in text_of("redis.conf").lower()
