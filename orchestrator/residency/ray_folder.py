"""The folder of a Ray that this process starts, and the watchdog that ends what is left in it.

Ray's own processes end when their driver is killed, but its agents take up to a minute for it.
Whatever writes to a file in the folder is the service's own. The watchdog is this file, run as a
script without the packages around it.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "coterie-ray-"
LONGEST = 40
"""Characters of the folder's path: Ray's sockets lie 65 deeper, and a socket's path has 107."""
PATIENCE_S = 8.0
"""For processes that do not end, such as one that waits for a disk."""
PAUSE_S = 0.1
PR_SET_PDEATHSIG = 1
"""Of Linux' prctl: the signal that a process gets when its parent dies."""


class RayFolder:
    """A folder under the temporary one that is locked for as long as this process lives.

    A lock ends with its process, however that ends: a folder that can be locked has no owner.
    """

    def __init__(self) -> None:
        self._root = _root()
        self.path, self._lock = _locked_folder(self._root)

    def remove_stale(self) -> None:
        """Remove what earlier processes of ours have left behind; others' folders stay."""
        for folder in self._root.glob(f"{PREFIX}*"):
            if (lock := _try_lock(folder)) is None:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def remove(self) -> None:
        """Remove it; Ray must have ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _root() -> Path:
    """The temporary folder, or /tmp where that one's path is too long for sockets in it."""
    given = Path(tempfile.gettempdir())
    fits = len(str(given)) + 1 + len(PREFIX) + 8 <= LONGEST
    return given if fits else Path("/tmp")  # noqa: S108 (each folder in it has a random name)


def _locked_folder(root: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        # Another process may take it for a stale one before it is locked: then take a new one.
        if (lock := _try_lock(folder)) is not None:
            return folder, lock


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where another one does, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def die_with_parent() -> None:
    """End this process when its parent ends, even if it is too busy to notice."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


class Watchdog:
    """A small process that waits for the end of this one, and cleans up behind it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-I", "-S", __file__, str(folder), str(os.getpid())]
        # A session of its own: what ends the service's process group must not end it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def end(self) -> None:
        """Let it end what is left, and return when nothing is."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def users_of(folder: Path, owner: int) -> set[int]:
    """The processes that have a file below the folder open for writing; a reader is a person.

    The owner, which may live, is none of them, nor is this process.
    """
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in (owner, os.getpid()):
            with suppress(OSError):  # It has ended, or is not ours to look at.
                if any(_writes(link, f"{folder}/") for link in (process / "fd").iterdir()):
                    found.add(int(process.name))
    return found


def clean(folder: Path, owner: int) -> None:
    """End every process but the owner that uses the folder, then remove the folder."""
    give_up_at = time.monotonic() + PATIENCE_S
    while (users := users_of(folder, owner)) and time.monotonic() < give_up_at:
        for number in users:
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(PAUSE_S)
    shutil.rmtree(folder, ignore_errors=True)


def _writes(link: Path, folder: str) -> bool:
    """Whether an entry of /proc/PID/fd is a file below the folder that may be written."""
    if not os.readlink(link).startswith(folder):
        return False
    told = (link.parent.parent / "fdinfo" / link.name).read_text(encoding="ascii")
    flags = next(line for line in told.splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    sys.stdin.buffer.read()  # Ends when the service does, in whatever way.
    clean(Path(sys.argv[1]), int(sys.argv[2]))
