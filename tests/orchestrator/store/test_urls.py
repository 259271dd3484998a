"""The password of a Redis URL reaches no message, no traceback and no printed configuration."""

import logging
import socket
import traceback
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from experts.errors import ServiceError, StoreError
from orchestrator.config.model import Config
from orchestrator.store.opening import open_store
from orchestrator.store.redis_store import RedisStore
from orchestrator.store.urls import addresses_of, redacted, secrets_of, with_one_host

PASSWORD = "s3cret-w0rd"
REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m"}


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _printed(error: BaseException) -> str:
    """All that a log would show, every cause and every value of the frames among it."""
    told = traceback.TracebackException.from_exception(error)
    return "".join(told.format(chain=True))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:{password}@127.0.0.1:{port}/0",
        "redis://me:{password}@127.0.0.1:{port}/0",
        "rediss://me:{password}@127.0.0.1:{port}/0",
        "redis://127.0.0.1:{port}/0?password={password}",
        "redis://me:{password}@127.0.0.1:{port},127.0.0.1:{port}/0",
    ],
)
async def test_a_redis_that_is_not_there_is_named_without_it(
    url: str, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceError) as caught:
        await open_store(url.format(password=PASSWORD, port=closed_port))
    assert f"127.0.0.1:{closed_port}/0 is not reachable" in str(caught.value)
    assert "me:" not in str(caught.value)
    assert PASSWORD not in _printed(caught.value) + caplog.text


@pytest.mark.parametrize("rest", ["/w0rd@h:1/0", "#w0rd@h:1/0", "?w0rd@h:1/0"])
async def test_a_url_that_cannot_be_read_shows_nothing_of_it(rest: str) -> None:
    url = f"redis://:s3cret{rest}"
    with pytest.raises(ServiceError) as caught:
        await open_store(url)
    printed = _printed(caught.value)
    assert "s3cret" not in printed
    assert "w0rd" not in printed
    with pytest.raises(ValidationError) as refused:
        Config.model_validate({"experts": {"far": REMOTE}, "store": url})
    assert "s3cret" not in _printed(refused.value)
    assert "percent-encoded" in str(refused.value)


async def test_words_of_redis_are_shown_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(f"redis://:{PASSWORD}@127.0.0.1:1/0")

    async def refuses(key: str) -> Any:
        raise OSError(f"AUTH {PASSWORD} failed for {key}")

    monkeypatch.setattr(store._redis, "get", refuses)
    with pytest.raises(StoreError, match=r"AUTH \*\*\* failed for coterie:x") as caught:
        await store.get("x")
    assert PASSWORD not in _printed(caught.value)
    await store.close()


def test_a_printed_configuration_does_not_show_it() -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:6379/0"
    config = Config.model_validate({"experts": {"far": REMOTE}, "store": url})
    assert config.store == url
    assert PASSWORD not in f"{config!r} {config}"


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1))
@example("12/34")
@example("12@34")
def test_a_redacted_url_shows_no_password_that_the_configuration_accepts(password: str) -> None:
    secret = f"<{password}>"
    url = f"redis://me:{secret}@host.test:6379/0"
    said = ""
    try:
        Config.model_validate({"experts": {"far": REMOTE}, "store": url})
    except ValidationError as error:
        said = str(error)
    assert secret not in said
    assert said or redacted(url) == "redis://host.test:6379/0"


def test_a_url_names_one_server_or_several() -> None:
    url = "rediss://me:p,w@a.test:1,[::1],B:3/2?protocol=2"
    assert addresses_of(url) == (("a.test", 1), ("::1", 6379), ("b", 3))
    assert with_one_host(url) == "rediss://me:p,w@a.test:1/2?protocol=2"
    assert redacted(url) == "rediss://a.test:1,[::1],b:3/2"
    assert secrets_of(url) == ("p,w",)
    assert with_one_host("redis://a/0") == "redis://a/0"


@pytest.mark.parametrize("hosts", ["[::1],a", "a,[::1]", "[::1]:1,[::2]:2", "a:1,[::1]:2,b"])
def test_any_of_several_servers_may_be_an_ipv6_address(hosts: str) -> None:
    url = f"redis://me:pw@{hosts}/0"
    assert len(addresses_of(url)) == hosts.count(",") + 1
    assert ("::1" in {host for host, _ in addresses_of(url)}) == ("[::1]" in hosts)
    assert Config.model_validate({"experts": {"far": REMOTE}, "store": url}).store == url
    assert redacted(url) == f"redis://{hosts}/0"


@pytest.mark.parametrize("url", ["redis://me:p[w@a,b/0", "redis://a,[::1/0", "redis://a,b/c:d,[/0"])
def test_brackets_that_enclose_no_address_are_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its words are Python's, and differ)
        addresses_of(url)
    with pytest.raises(ValidationError):
        Config.model_validate({"experts": {"far": REMOTE}, "store": url})


def test_what_is_no_secret_is_not_hidden() -> None:
    assert secrets_of("redis://a/0?db=0&ssl_ca_certs=ca.pem") == ()
