"""The process of one step: `python -m deploy.gpu_check.child MODULE ARGUMENT RESULT WORK CUDA`."""

import importlib
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from deploy.gpu_check.report import write
from deploy.gpu_check.rig import Failure, Found, Rig, Skip, StepModule
from deploy.gpu_check.verdicts import Outcome, one_line

PACKAGE = "deploy.gpu_check.steps"


def outcome_of(module: StepModule, rig: Rig) -> dict[str, Any]:
    """Run a step; what it came to, as JSON."""
    try:
        found = module.run(rig)
        if inspect.iscoroutine(found):
            # As the service and its slots do: it also sends small answers at once.
            found = importlib.import_module("uvloop").run(found)
        assert isinstance(found, Found)
        return _result(Outcome.OK, found.summary, found.figures)
    except Skip as skip:
        return _result(Outcome.SKIPPED, str(skip))
    except Failure as failure:
        traceback.print_exc()
        return _result(Outcome.FAILED, str(failure), failure.figures)
    except Exception as error:
        traceback.print_exc()
        return _result(Outcome.FAILED, f"{type(error).__name__}: {error}")


def _result(outcome: Outcome, why: str, figures: Any = None) -> dict[str, Any]:
    return {"outcome": outcome.name, "why": one_line(why), "figures": figures or {}}


def main() -> None:
    """Run the step and write its result."""
    name, argument, result, work, cuda = sys.argv[1:]
    module: Any = importlib.import_module(f"{PACKAGE}.{name}")
    found = outcome_of(module, Rig(bool(int(cuda)), Path(work), argument))
    write(Path(result), json.loads(json.dumps(found)))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the engines may hang at the interpreter's end; the result is written.
    os._exit(0)


if __name__ == "__main__":
    main()
