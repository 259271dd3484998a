"""Runs services of deploy/compose as `docker compose` would, without containers.

Each is a host of its own: a network, processes, /tmp and /etc of its own, with the files mounted
that compose.yaml mounts, and begins when what it depends on is well. Nothing leaves this machine.
Needs root.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from composed import FOLDER, services
from dockerfile import DOCKERFILE, environment
from repository import ROOT

PREFIX = "coterie-up"
NETWORK = "10.78.0"
PATIENCE_S = 240.0
_ROOT = "/mnt/root"
# A copy of this machine's files that the host may write to; /tmp, /proc, /dev/shm of its own.
_BACK = (
    f"mkdir -p {_ROOT}{ROOT} && mount --bind {ROOT} {_ROOT}{ROOT}"
    if ROOT.is_relative_to("/tmp")
    else ""
)
"""A clone below /tmp is hidden with it."""
_SCRIPT = f"""
hostname NAME
mount -t tmpfs tmpfs /mnt
mkdir /mnt/up /mnt/work {_ROOT}
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work {_ROOT}
mount -t proc proc {_ROOT}/proc
mount --rbind /dev {_ROOT}/dev
mount --rbind /sys {_ROOT}/sys
mount -t tmpfs tmpfs {_ROOT}/dev/shm
mount -t tmpfs tmpfs {_ROOT}/tmp
{_BACK}
FILES
exec chroot {_ROOT} "$@"
"""
PROGRAMS = {
    "balancer": ("caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"),
    "prometheus": ("prometheus",),
}
"""What the images of others begin with."""


def skip_unless_possible(*programs: str) -> None:
    """Network namespaces need root, and the services their programs."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program `ip`")
    for program in programs:
        if shutil.which(program, path=_path()) is None:
            pytest.skip(f"{program} is not installed")


def _path() -> str:
    tools = ROOT / ".venv-tools/bin"
    own = "/usr/local/bin"  # Where the image has its scripts.
    return f"{own}:{Path(sys.executable).parent}:{tools}:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """One service that runs."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], log: Path, environment: dict[str, str]
    ) -> None:
        self.name = name
        self.process = process
        self.environment = environment
        self._log = log

    def said(self) -> str:
        """What it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_well(self) -> None:
        """By the very check that compose.yaml has, if it has one."""
        how, *words = services()[self.name].get("healthcheck", {}).get("test") or ("NONE",)
        command: Sequence[str] = (
            ("sh", "-c", words[0].replace("$$", "$")) if how == "CMD-SHELL" else words
        )
        until(lambda: how == "NONE" or self._is_well(*command), f"{self.name} to be well")

    def _is_well(self, *check: str) -> bool:
        ended = self.process.poll() is not None
        assert not ended, f"{self.name} has ended:\n{self.said()[-3000:]}"
        return (
            bool(psutil.Process(self.process.pid).children()) and not self.inside(*check).returncode
        )

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, as `docker compose exec` does."""
        (first,) = psutil.Process(self.process.pid).children()
        whole = ["nsenter", f"--target={first.pid}", "--net", "--pid", "--mount", "--root", "--wd"]
        return subprocess.run(
            [*whole, *command], capture_output=True, text=True, timeout=120, env=self.environment
        )

    def kill(self) -> None:
        """As when its machine loses power."""
        there: list[psutil.Process] = []
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            there = psutil.Process(self.process.pid).children(recursive=True)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(there, PATIENCE_S)  # Until then it might take requests.


def until(condition: Any, what: str) -> None:
    """Look again and again; a rehearsal of other people's programs has no events to wait on."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"waited for {what}"
        time.sleep(0.2)


@contextmanager
def hosts(folder: Path, *names: str, given: Mapping[str, str]) -> Iterator[dict[str, Host]]:
    """Start services in this order, each as soon as compose would; end all afterwards."""
    addresses = {name: f"{NETWORK}.{number}" for number, name in enumerate(names, 10)}
    file = folder / "hosts"
    lines = [f"{address} {name}" for name, address in addresses.items()]
    file.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]), encoding="utf-8")
    up: dict[str, Host] = {}
    switch = f"{PREFIX}-switch"
    _ip("netns", "add", switch)
    try:
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        for number, name in enumerate(names):
            _plug(f"{PREFIX}-{name}", f"port{number}", addresses[name], switch)
            for other in _needed(name):
                up[other].wait_until_well()
            up[name] = _start(name, folder, file, given)
        for host in up.values():
            host.wait_until_well()
        yield up
    finally:
        for host in up.values():
            host.kill()
        for name in (*names, "switch"):
            _ip("netns", "delete", f"{PREFIX}-{name}", check=False)


def _needed(name: str) -> list[str]:
    """What must be well before it; what it names without a condition need only have begun."""
    depends = services()[name].get("depends_on", ())
    conditions = depends if isinstance(depends, Mapping) else {}
    return [n for n, one in conditions.items() if one["condition"] == "service_healthy"]


def _ip(*words: str, check: bool = True) -> None:
    command = [str(shutil.which("ip")), *words]
    subprocess.run(command, check=check, capture_output=not check, timeout=30)


def _plug(namespace: str, port: str, address: str, switch: str) -> None:
    _ip("netns", "add", namespace)
    _ip("-n", namespace, "link", "set", "lo", "up")
    _ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", port, "netns", switch)
    _ip("-n", switch, "link", "set", port, "master", "br0", "up")
    _ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", namespace, "link", "set", "eth0", "up")


def _start(name: str, folder: Path, file: Path, given: Mapping[str, str]) -> Host:
    service = services()[name]
    words = PROGRAMS.get(name, service.get("entrypoint", ()))
    command = [
        _filled(str(word), given).replace("$$", "$")
        for word in (*words, *service.get("command", ()))
    ]
    own = {k: _filled(str(v), given) for k, v in service.get("environment", {}).items()}
    # What the image sets, and where its programs are here.
    image = environment(DOCKERFILE.read_text(encoding="utf-8"))
    image |= {"PATH": _path(), "COTERIE_ZOO": str(ROOT / "experts/zoo"), "HOME": "/tmp"}
    image |= {"OMP_NUM_THREADS": "1"}
    script = folder / f"{name}.sh"
    script.write_text(
        _SCRIPT.replace("NAME", name).replace("FILES", _files(service, file)), encoding="utf-8"
    )
    log = folder / f"{name}.log"
    whole = ["ip", "netns", "exec", f"{PREFIX}-{name}", "unshare", "--mount", "--pid", "--uts"]
    whole += ["--fork", "--kill-child", "sh", "-eu", str(script), *command]
    with log.open("wb") as opened:
        process = subprocess.Popen(
            whole, env=image | own, stdout=opened, stderr=opened, start_new_session=True
        )
    return Host(name, process, log, image | own)


def _filled(value: str, given: Mapping[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        return given.get(name, default or "")

    return re.sub(r"(?<!\$)\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", fill, value)


def _files(service: Mapping[str, Any], names: Path) -> str:
    """Commands that put each mounted file, and the image's own scripts, where they belong."""
    pairs = [entry.split(":")[:2] for entry in service.get("volumes", ())]
    docker, scripts = DOCKERFILE.parent, "/usr/local/lib/coterie"
    found = [(FOLDER / source, target) for source, target in pairs if source.startswith(".")]
    found += [(docker / name, f"{scripts}/{name}") for name in ("health.py", "leave.py")]
    found += [(docker / "gateway.sh", "/usr/local/bin/coterie-gateway"), (names, "/etc/hosts")]
    lines = []
    for source, target in found:
        lines.append(f"mkdir -p {_ROOT}{Path(target).parent}")
        lines.append(f"cp -rT {source.resolve()} {_ROOT}{target}")
    lines += [f"mkdir -p {_ROOT}{target}" for source, target in pairs if source[0] not in "./$"]
    return "\n".join([*lines, f"chmod 755 {_ROOT}/usr/local/bin/coterie-gateway"])
