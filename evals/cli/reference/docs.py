"""Writes the reference pages of `docs/` from the schema and the commands: `make docs`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from evals.cli.reference.command_reference import (
    bench_page,
    command_page,
    eval_page,
    group_page,
)
from evals.cli.reference.config_reference import (
    config_page,
    experts_page,
    kinds_page,
    tasks_page,
)

DOCS = Path(__file__).parents[3] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "reference/config.md": config_page,
    "reference/experts.md": experts_page,
    "reference/routers.md": partial(kinds_page, "routers"),
    "reference/aggregators.md": partial(kinds_page, "aggregators"),
    "reference/tasks.md": tasks_page,
    "reference/cli.md": command_page,
    "reference/cli-groups.md": group_page,
    "reference/cli-bench.md": bench_page,
    "reference/cli-eval.md": eval_page,
}


def stale(folder: Path = DOCS) -> list[str]:
    """The pages that do not say what the code says."""
    return [name for name, page in PAGES.items() if _read(folder / name) != page()]


def write(folder: Path = DOCS) -> list[str]:
    """Write the pages that are stale, and return their names."""
    names = stale(folder)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(PAGES[name](), encoding="utf-8")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` only say which are stale; then 1 if there are any."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.cli.reference.docs", description=main.__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--out", type=Path, default=DOCS, help="another folder than docs/")
    options = parser.parse_args(arguments)
    names = stale(options.out) if options.check else write(options.out)
    for name in names:
        print(f"{options.out / name} {'is stale: run `make docs`' if options.check else 'written'}")
    return 1 if options.check and names else 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    raise SystemExit(main())
