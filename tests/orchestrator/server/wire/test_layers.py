"""Which layers a request passes, and the header fields that they all read."""

from typing import Any

from starlette.types import Receive, Scope, Send

from orchestrator.server.wire.layers import Layer, fields_of, with_headers


class _Noting(Layer):
    """Concerned by what asks for it; notes that it was passed."""

    def concerns(self, scope: Scope) -> bool:
        return b"pass" in fields_of(scope)

    async def passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["passed"].append("layer")
        with_headers(scope, [(b"x", b"1")])
        await self._app(scope, receive, send)


async def _passed(kind: str, *headers: tuple[bytes, bytes]) -> list[str]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["passed"].append("app")

    scope: dict[str, Any] = {"type": kind, "headers": [*headers], "passed": []}
    # The inner one is concerned no more once the outer one has changed the headers.
    await _Noting(_Noting(app))(scope, None, None)  # type: ignore[arg-type]
    passed: list[str] = scope["passed"]
    return passed


async def test_a_request_passes_the_layers_that_it_concerns() -> None:
    assert await _passed("http", (b"pass", b"")) == ["layer", "app"]
    assert await _passed("http", (b"x", b"")) == ["app"]
    assert await _passed("lifespan", (b"pass", b"")) == ["app"]


def test_of_fields_that_come_twice_the_first_counts() -> None:
    scope = {"headers": [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]}
    assert fields_of(scope) == {b"a": b"1", b"b": b"2"}
    with_headers(scope, [(b"a", b"4")])
    assert fields_of(scope) == {b"a": b"4"}
