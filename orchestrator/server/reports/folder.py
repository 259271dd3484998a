"""A folder of reports: which there are, and their files; nothing that lies elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experts.errors import UnknownObject
from orchestrator.config.server_section import ReportsConfig
from orchestrator.server.reports.pictures import names_of, picture

PAGE, TEXT = "report.html", "report.md"
PICTURES = {".svg": "image/svg+xml", ".png": "image/png"}
KINDS = {**PICTURES, ".html": "text/html; charset=utf-8", ".md": "text/markdown; charset=utf-8"}
"""Whatever has another suffix is not shown: a run's questions and answers lie beside its report."""


@dataclass(frozen=True, slots=True)
class Report:
    """One of them."""

    name: str
    folder: Path
    at: float
    """When its page, its text or its last picture was written."""

    def files(self) -> list[Path]:
        """What may be shown of it."""
        return sorted(path for path in self.folder.iterdir() if _is_shown(path))


class Reports:
    """Those below one folder. It blocks: whoever is in an event loop asks in a thread."""

    def __init__(self, config: ReportsConfig) -> None:
        self._config = config

    def all(self) -> list[Report]:
        """The newest first, as many as the configuration lists."""
        found = sorted(self._each(), key=lambda report: (-report.at, report.name))
        return found[: self._config.listed]

    def named(self, name: str) -> Report:
        """One of them. Raises UnknownObject."""
        # Looked for among what is there: a name is never made a path.
        found = next((report for report in self._each() if report.name == name), None)
        if found is None:
            raise UnknownObject(f"There is no report `{name}`.", param="name")
        return found

    def file(self, name: str, file: str) -> tuple[bytes, str]:
        """A file of a report, and its media type. Raises UnknownObject."""
        report = self.named(name)
        path = next((one for one in report.files() if one.name == file), None)
        inside = picture(self._page(report), file) if path is None else None
        if inside is not None:
            return inside.encode(), PICTURES[".svg"]
        if path is None:
            raise UnknownObject(f"The report `{name}` has no file `{file}` to show.", param="file")
        limit = self._config.max_file_mb
        if path.stat().st_size > limit * (1 << 20):
            words = f"{file} is larger than {limit:g} MB (server.reports.max_file_mb)."
            raise UnknownObject(words, param="file")
        return path.read_bytes(), KINDS[path.suffix]

    def pictures(self, report: Report) -> list[str]:
        """The names of its pictures: those inside its page, and those beside it."""
        beside = [path.name for path in report.files() if path.suffix in PICTURES]
        return [*names_of(self._page(report)), *beside]

    def text(self, report: Report) -> str:
        """A report as Markdown; empty where it has none."""
        path = report.folder / TEXT
        if path not in report.files():
            return ""
        return self.file(report.name, TEXT)[0].decode(errors="replace")

    def _page(self, report: Report) -> str:
        there = any(path.name == PAGE for path in report.files())
        return self.file(report.name, PAGE)[0].decode(errors="replace") if there else ""

    def _each(self) -> Iterator[Report]:
        home = self._config.folder
        for folder in home.iterdir() if home.is_dir() else ():
            if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
                continue
            if times := [p.stat().st_mtime for p in folder.iterdir() if _is_shown(p)]:
                yield Report(folder.name, folder, max(times))


def _is_shown(path: Path) -> bool:
    """A link could lead anywhere, and is left out."""
    right = path.suffix in KINDS and not path.name.startswith(".")
    return right and path.is_file() and not path.is_symlink()
