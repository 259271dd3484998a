"""The command line that retrains the zoo: `python -m experts.zoo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from experts.zoo import build, data, tokenizer
from experts.zoo.recipe import EXPERTS

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "weights"
TASKS = HERE.parents[1] / "evals" / "tasks" / "zoo"


def main() -> None:
    """Train the chosen experts, adapters after their base experts."""
    parser = argparse.ArgumentParser(prog="python -m experts.zoo", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=EXPERTS, metavar="NAME")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps-scale", type=float, default=1.0, help="0.01 for a trial run")
    parser.add_argument("--data", action="store_true", help="write the evaluation tasks")
    parser.add_argument("--words", action="store_true", help="count the vocabularies' words anew")
    arguments = parser.parse_args()
    if arguments.words:
        tokenizer.write_word_lists()
    if arguments.data:
        data.write_all(TASKS)
    # Asked for data or words, it trains only what is named as well.
    unnamed = () if arguments.words or arguments.data else EXPERTS
    chosen = unnamed if arguments.only is None else arguments.only
    for expert in EXPERTS:
        if expert in chosen:
            result = build.build(expert, arguments.out, arguments.seed, arguments.steps_scale)
            print(expert, result, flush=True)


if __name__ == "__main__":
    main()
