"""Command line: `python -m routers.fusion_route train FILE`, and `evaluate FOLDER`."""

import argparse
import json
import sys
from pathlib import Path

import torch
from transformers.utils import logging

from experts.errors import ConfigError
from routers.fusion_route.config import read_config
from routers.fusion_route.decode import all_roles
from routers.fusion_route.evaluate import evaluate, read_task, table
from routers.fusion_route.progress import Voice
from routers.fusion_route.save import load_fused, save
from routers.fusion_route.train import train


def main() -> None:
    """Run a command; exit code 2 for a mistake in files or arguments."""
    parser = argparse.ArgumentParser(prog="python -m routers.fusion_route", description=__doc__)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train", help="train, or go on with a stopped training")
    training.add_argument("file", type=Path, help="YAML; its keys are in config.py")
    training.add_argument("--run", type=Path, required=True, help="folder for the run's state")
    training.add_argument("--save", type=Path, help="fused folder to write at the end")
    training.set_defaults(command=_train)
    measuring = commands.add_parser("evaluate", help="measure a fused folder on tasks")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--tasks", type=Path, nargs="+", required=True, help="JSONL files")
    measuring.add_argument("--roles", nargs="+", help="default: all that the folder has")
    measuring.add_argument("--split", default="test")
    measuring.add_argument("--threads", type=int, default=2)
    measuring.add_argument("--json", type=Path, help="write every number into this file")
    measuring.set_defaults(command=_evaluate)
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    try:
        with Voice(lambda line: print(line, flush=True)) as voice:
            arguments.command(arguments, voice)
    except ConfigError as error:
        for line in (str(error), *error.problems):
            print(line, file=sys.stderr)
        raise SystemExit(2) from error


def _train(arguments: argparse.Namespace, voice: Voice) -> None:
    config = read_config(arguments.file)
    model, state = train(config, arguments.run, voice)
    voice.tell(f"trained in {state.seconds:.0f} s ({state.cpu_seconds:.0f} s of the processor)")
    if arguments.save:
        paths = {"members", "router", "questions", "preferences"}
        record = {
            "training": config.model_dump(mode="json", exclude=paths),
            "seconds": round(state.seconds),
            "cpu_seconds": round(state.cpu_seconds),
        }
        save(model, config.router, config.members, arguments.save, record)
        voice.tell(f"wrote {arguments.save}")


def _evaluate(arguments: argparse.Namespace, voice: Voice) -> None:
    torch.set_num_threads(arguments.threads)
    policy, tokenizer = load_fused(arguments.folder)
    known = {role.name: role for role in all_roles(policy.members)}
    unknown = sorted(set(arguments.roles or ()) - set(known))
    if unknown:
        raise ConfigError(
            f"{arguments.folder} has no role {', '.join(unknown)}.",
            hint=f"Its roles: {', '.join(known)}.",
        )
    tasks = {path.stem: read_task(path, arguments.split) for path in arguments.tasks}
    results = [
        evaluate(policy, tokenizer, questions, known[name], task, voice.say)
        for name in arguments.roles or known
        for task, questions in tasks.items()
    ]
    if arguments.json:
        rows = [
            {
                **{key: getattr(result, key) for key in ("task", "role", "right", "questions")},
                "interval": [round(bound, 4) for bound in result.interval],
                "experts": {name: round(share, 4) for name, share in result.experts.items()},
            }
            for result in results
        ]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    voice.tell("done")
    print(table(results))


if __name__ == "__main__":
    main()
