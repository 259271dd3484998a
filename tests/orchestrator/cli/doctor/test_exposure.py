"""Who can reach what a configuration opens, and with which keys."""

from typing import Any

import pytest
from config_files import REMOTE

from orchestrator.cli.doctor.exposure import check_exposure
from orchestrator.cli.doctor.finding import Level
from orchestrator.config.model import Config

ANY = "0.0.0.0"  # noqa: S104 (nothing listens)
LONG = "0123456789abcdef0123456789abcdef"


def _said(stored: int = 0, store: str = "memory", **server: Any) -> dict[str, tuple[Level, str]]:
    tree = {"experts": {"far": REMOTE}, "server": server, "store": store}
    found = check_exposure(Config.model_validate(tree), stored)
    return {one.about: (one.level, one.found) for one in found}


def test_on_loopback_nothing_is_asked_of_keys() -> None:
    assert {level for level, _ in _said().values()} == {Level.OK}


def test_an_open_service_on_all_addresses_is_told() -> None:
    said = _said(host=ANY)
    assert said["keys"][0] is Level.WARNING
    assert said["tls"][0] is Level.WARNING


@pytest.mark.parametrize("how", [{"api_keys": {"app": {"key": LONG}}}, {"stored": 1}])
def test_keys_close_it(how: dict[str, Any]) -> None:
    assert _said(host=ANY, **how)["keys"][0] is Level.OK


def test_a_short_key_is_named_and_not_shown() -> None:
    said = _said(api_keys={"app": {"key": "hunter2"}, "ops": {"key": LONG}})
    assert said["keys"] == (Level.WARNING, "easy to guess, since short: app")


def test_any_page_may_administer_a_service_without_a_door_for_that() -> None:
    cors = {"origins": ["*"]}
    assert "cors" in _said(host=ANY, cors=cors)
    assert "cors" not in _said(host=ANY, cors=cors, admin={"port": 9000})


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("redis://10.0.0.2/0", {"store password", "store tls"}),
        ("redis://:word@10.0.0.2/0", {"store tls"}),
        ("rediss://:word@10.0.0.2/0", set()),
        ("redis://127.0.0.1/0", set()),
        ("redis://127.0.0.1,10.0.0.2/0", {"store password", "store tls"}),
    ],
)
def test_a_redis_elsewhere(store: str, told: set[str]) -> None:
    said = _said(store=store)
    assert {name for name in said if name.startswith("store")} == told
    assert "word" not in "".join(found for _, found in said.values())
