"""Answers that are written as they come, each once, whatever has been written before."""

import json
from pathlib import Path

PIECE_BYTES = 1 << 20


class Arrivals:
    """Appends lines of answers to a file that earlier runs may have begun."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; a line that a killed run has left without its end is taken back."""
        self._had: set[str] = set()
        with path.open("a+b") as opened:
            opened.seek(0)
            whole = 0
            for line in opened:
                if not line.endswith(b"\n"):
                    break
                self._had.add(_id_of(line))
                whole += len(line)
            opened.truncate(whole)
        self._path = path

    def take(self, lines: bytes) -> None:
        """Append those that are not there."""
        with self._path.open("ab") as opened:
            for line in lines.splitlines(keepends=True):
                if (identifier := _id_of(line)) not in self._had:
                    opened.write(line)
                    self._had.add(identifier)

    def take_file(self, path: Path) -> None:
        """Append the lines of a file that are not there, and remove it."""
        with path.open("rb") as opened:
            while lines := opened.readlines(PIECE_BYTES):
                self.take(b"".join(lines))
        path.unlink()


def _id_of(line: bytes) -> str:
    return str(json.loads(line)["custom_id"])
