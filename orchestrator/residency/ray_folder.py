"""The folder of a Ray that this process starts, removed at its end, or later after a crash."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "coterie-ray-"
LONGEST = 40
"""Characters of the folder's path: Ray's sockets lie 65 deeper, and a socket's path has 107."""


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
