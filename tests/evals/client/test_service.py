"""The service that a command starts for itself."""

from typing import Any

import pytest

from evals.client.service import serving, without_routers


async def test_it_asks_for_no_key_and_is_stopped_whatever_happens(
    started: Any, config: Any, progress: Any
) -> None:
    settings = config(server={"api_keys": {"me": {"key": "sk-one"}}, "admin": {"port": 1}})

    async def command() -> None:
        async with serving(settings, progress):
            assert not started[0].stopped
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await command()
    assert started[0].config.server.api_keys == {}
    assert started[0].config.server.admin is None
    assert started[0].stopped


def test_without_routers_only_the_experts_are_left(config: Any) -> None:
    left = without_routers(config())
    assert (left.routers, left.compositions, list(left.experts)) == ({}, {}, ["alpha", "beta"])
