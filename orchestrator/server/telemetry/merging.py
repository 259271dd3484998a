"""Puts several pages of Prometheus' text format together into one. Pure.

A metric must stand on a page once, with all its samples, so those of all pages are gathered.
"""

import re
from collections.abc import Iterable, Mapping

_ABOUT = re.compile(r"# (?:HELP|TYPE) (\S+)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")


def merged(pages: Mapping[str, str], label: str, prefix: str) -> str:
    """All pages, by the value that `label` gets in each; of the metrics named `prefix` alone."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for value, page in pages.items():
        pair = f'{label}="{_escaped(value)}"'
        for family, lines in _families(page, prefix):
            told = [line for line in lines if line.startswith("#")]
            heads.setdefault(family, told)
            own = (with_label(line, pair) for line in lines if not line.startswith("#"))
            samples.setdefault(family, []).extend(own)
    return "".join(f"{line}\n" for f in heads for line in (*heads[f], *samples[f]))


def with_label(sample: str, pair: str) -> str:
    """A sample's line with one label more, in front of the others."""
    found = _NAME.match(sample)
    if found is None:
        return sample
    name, rest = sample[: found.end()], sample[found.end() :]
    if rest.startswith("{}"):
        return f"{name}{{{pair}}}{rest[2:]}"
    if rest.startswith("{"):
        return f"{name}{{{pair},{rest[1:]}"
    return f"{name}{{{pair}}}{rest}"


def _families(page: str, prefix: str) -> Iterable[tuple[str, list[str]]]:
    """The metrics of a page, each with its lines; other comments are left out."""
    family, lines = "", list[str]()
    for line in page.split("\n"):
        about, sample = _ABOUT.match(line), _NAME.match(line)
        name = about.group(1) if about else sample.group(0) if sample else ""
        if not name:
            continue
        if name != family and (about or not _belongs(name, family)):
            if family.startswith(prefix):
                yield family, lines
            family, lines = name, []
        lines.append(line)
    if family.startswith(prefix) and lines:
        yield family, lines


def _belongs(sample: str, family: str) -> bool:
    bare = family.removesuffix("_total")
    return bool(family) and any(sample == name + s for s in _SUFFIXES for name in (family, bare))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
