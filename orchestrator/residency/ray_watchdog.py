"""Ends what a service leaves behind that was killed: a small process, which waits for its end.

Ray's own processes end when their driver is killed, but its agents take up to a minute for it.
Whatever writes to a file in the service's folder is the service's own. This runs as a script,
without the packages around it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 8.0
"""For processes that do not end, such as one that waits for a disk."""
PAUSE_S = 0.1


class Watchdog:
    """The process that watches this one."""

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
