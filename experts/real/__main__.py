"""The command line that makes the real model ready and trains its adapters."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from experts.errors import ServiceError
from experts.real import data, places
from experts.real.make import make_model
from experts.real.recipe import RECIPES


def main() -> int:
    """Make the model; with --train, train adapters on it; with --data, write their tasks."""
    parser = argparse.ArgumentParser(prog="python -m experts.real", description=__doc__)
    parser.add_argument("--train", nargs="+", choices=RECIPES, default=[], metavar="NAME")
    parser.add_argument("--data", action="store_true", help="write the tasks only")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data:
        data.write_all(places.TASKS)
        return 0
    try:
        make_model(places.LOCK, places.PACKAGES, places.MODEL, lambda line: print(line, flush=True))
    except ServiceError as error:
        print(f"real: {error}", file=sys.stderr)
        return 1
    for name in arguments.train:
        # Torch and peft take seconds to import, and making the model needs them elsewhere.
        train_adapter = import_module("experts.real.train").train_adapter
        train_adapter(name, RECIPES[name], places.MODEL, places.ADAPTERS, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
