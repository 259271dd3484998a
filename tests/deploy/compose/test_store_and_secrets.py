"""The secrets that are made, and the Redis that is started with one of them."""

import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from composed import FOLDER, services, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("secrets.sh", "env.example"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def _made(folder: Path) -> dict[str, str]:
    subprocess.run(["/bin/sh", str(folder / "secrets.sh")], check=True, timeout=60)
    lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_secrets_are_long_and_one_is_not_another(folder: Path) -> None:
    made = _made(folder)
    assert made.keys() == {name for name, value in settings().items() if value == "generated"}
    assert all(len(value) == 64 and int(value, 16) for value in made.values())
    assert len({*made.values()}) == len(made)


def test_only_their_owner_reads_them(folder: Path) -> None:
    _made(folder)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_what_is_there_stays(folder: Path) -> None:
    assert _made(folder) == _made(folder)


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """Of the command of compose.yaml, in the folders of this test."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is missing: `make redis`")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    conf = (FOLDER / "redis.conf").read_text(encoding="utf-8")
    conf = conf.replace("6379", str(port)).replace("/data", str(tmp_path))
    file = tmp_path / "redis.conf"
    file.write_text(conf.replace("bind * -::*", "bind 127.0.0.1"), encoding="utf-8")
    shell, dash, script = services()["redis"]["command"]
    script = script.replace("$$", "$").replace("/etc/redis/redis.conf", str(file))
    environment = {"PATH": "/usr/bin:/bin", "REDIS_PASSWORD": "pa55word"}
    with subprocess.Popen(
        [shell, dash, script], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        yield port
        with redis.Redis(port=port, password="pa55word") as client:
            client.shutdown(nosave=True)
        process.stdout.read()


def test_redis_asks_for_the_password_and_keeps_everything(redis_port: int) -> None:
    with redis.Redis(port=redis_port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(port=redis_port, password="pa55word") as client:
        told = client.config_get("append*", "maxmemory-policy")
    assert (told["appendonly"], told["appendfsync"]) == ("yes", "always")
    assert told["maxmemory-policy"] == "noeviction"
