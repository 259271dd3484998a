"""Whether what a task asks for fits into what the pool's engines can hold."""

from collections.abc import Sequence

from evals.runs.questions import Asked
from experts.spec import VllmSpec
from orchestrator.config.model import Config


def no_room(settings: Config, rows: Sequence[Asked], models: Sequence[str]) -> list[str]:
    """A warning for each task whose answers alone are as long as an expert's whole context.

    Every such call is refused. Only lengths that the file names are known beforehand. Of `models`,
    compositions may ask every expert.
    """
    lengths = _lengths(settings)
    asked = set(models) & set(lengths) if models and set(models) <= set(settings.experts) else None
    wanted: dict[str, int] = {}
    for row in rows:
        tokens = row.request.body.get("max_tokens") or 0
        wanted[row.task.name] = max(tokens, wanted.get(row.task.name, 0))
    found = []
    for task, tokens in wanted.items():
        short = {
            name: length
            for name, length in lengths.items()
            if length <= tokens and (asked is None or name in asked)
        }
        if short:
            least = min(short.values())
            found.append(
                f"{task} asks for up to {tokens:,} tokens, and {', '.join(short)} can hold"
                f" {least:,} with the question: such calls will be refused. Set a smaller"
                f" max_tokens in a task file with `extends: {task}`, or a longer max_model_len."
            )
    return found


def _lengths(settings: Config) -> dict[str, int]:
    """Expert -> its context in tokens, where the file names it."""
    hosted = settings.hosted()
    found = {}
    for name, spec in hosted.items():
        engine = hosted[spec.base] if spec.base else spec
        if isinstance(engine, VllmSpec):
            length = {**settings.slots.engine_args, **engine.engine_args}.get("max_model_len")
            if isinstance(length, int):
                found[name] = length
    return found
