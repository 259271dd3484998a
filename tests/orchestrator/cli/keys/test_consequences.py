"""The first key shuts the service, and so does the revocation of the last one: both are told."""

from typing import Any

import pytest

from orchestrator.cli.keys.consequences import of_making, of_revoking


def key(name: str, *, admin: bool = False, revoked: str | None = None) -> dict[str, Any]:
    return {"name": name, "revoked": revoked, "terms": {"admin": True} if admin else {}}


def test_the_first_key_shuts_the_service() -> None:
    for admin in (True, False):
        told = of_making([], admin=admin)
        assert "every request" in told
        assert ("key create NAME --admin" in told) is not admin
    assert of_making([key("ann")], admin=False) == ""
    gone = [key("ann", admin=True, revoked="2026-01-01")]
    assert of_making(gone, admin=False).startswith("Nobody may administer")
    assert of_making(gone, admin=True) == ""


@pytest.mark.parametrize(
    ("others", "admin", "words"),
    [
        ([], False, "stays shut"),
        ([key("old", admin=True, revoked="2026-01-01")], True, "stays shut"),
        ([key("ann")], True, "the last administrator's key"),
        ([key("ann")], False, ""),
        ([key("ann", admin=True)], True, ""),
    ],
)
def test_the_last_key_leaves_it_shut(others: Any, admin: bool, words: str) -> None:
    told = of_revoking([*others, key("bob", admin=admin)], "bob")
    assert words in told
    assert bool(words) is bool(told)
    assert ("key create NAME --admin" in told) is bool(words)
