"""Under which licence a model is, as its folder says."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import metadata
from pathlib import Path

import experts
from experts.errors import ConfigError
from experts.files.yaml_text import parse_yaml
from orchestrator.cli.doctor.finding import Finding, ok, warning

OPEN = frozenset({
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0",
    "cc-by-4.0", "cc-by-3.0", "cdla-permissive-2.0", "bsl-1.0", "zlib", "wtfpl", "postgresql",
})  # fmt: skip
"""Licences that allow any use, named as in model cards; what else there is has conditions."""
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "License.txt")
_TITLES = {
    "apache-2.0": r"apache license\s+version 2\.0",
    "mit": r"\bmit license\b|permission is hereby granted, free of charge",
    "bsd-3-clause": r"redistribution and use in source and binary forms[\s\S]*neither the name",
    "bsd-2-clause": r"redistribution and use in source and binary forms",
    "cc0-1.0": r"cc0 1\.0 universal",
}
"""How the texts of licences are recognised, the more particular ones first."""
_FRONT = re.compile(r"\A---\s*\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)
_READ = 40_000
"""Characters of a licence's file that are looked at."""


def licence_of(folder: Path) -> tuple[str, str] | None:
    """The licence, in lower case, and the file that says so; None where nothing does."""
    for name, source in _told(folder):
        if name and name.lower() != "other":
            return name.lower(), source
    if folder.is_relative_to(Path(experts.__file__).parent):
        own = metadata("coterie")
        return str(own["License-Expression"]).lower(), "part of Coterie"
    return None


def _told(folder: Path) -> Iterator[tuple[str, str]]:
    yield _of_card(folder / "README.md"), "README.md"
    for name in ("config.json", "adapter_config.json"):
        yield _of_config(folder / name), name
    for name in _FILES:
        if (folder / name).is_file():
            yield _of_text(folder / name), name


def _of_card(card: Path) -> str:
    """What a model card's head says."""
    with suppress(OSError, UnicodeDecodeError, ConfigError):
        if (head := _FRONT.match(card.read_text(encoding="utf-8"))) is not None:
            return _named(parse_yaml(head.group(1), card))
    return ""


def _of_config(file: Path) -> str:
    with suppress(OSError, ValueError):
        return _named(json.loads(file.read_text(encoding="utf-8")))
    return ""


def _named(tree: object) -> str:
    if not isinstance(tree, dict):
        return ""
    for key in ("license", "license_name"):
        given = tree.get(key)
        first = given[0] if isinstance(given, list) and given else given
        if isinstance(first, str) and first.strip().lower() not in ("", "other"):
            return first.strip()
    return ""


def _of_text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="utf-8")[:_READ].lower()
        flat = " ".join(text.split())
        known = (name for name, words in _TITLES.items() if re.search(words, flat))
        return next(known, f"own terms ({file.name})")
    return ""


def check_licence(expert: str, found: tuple[str, str] | None) -> Finding:
    """What its operator should know about a model's terms."""
    about = f"licence of {expert}"
    if found is None:
        advice = "Ask where the weights are from; note it in a README.md beside them (`license:`)."
        return warning(about, "unknown: no model card and no LICENSE file says", advice)
    name, source = found
    if name in OPEN:
        return ok(about, f"{name} ({source})")
    return warning(
        about, f"{name} ({source})", "It has conditions: read whether your use meets them."
    )
