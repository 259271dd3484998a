"""The environment that vLLM reads when it is imported; set before that happens."""

import os
import tempfile

from experts.vllm.hub import stays_offline
from experts.vllm.loads import WorkerSettings

_ALWAYS = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TOKENIZERS_PARALLELISM": "false",
}
_CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # The gateway and other slots share the cores: do not pin threads to the first ones.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # A few sampling helpers are compiled at first use: 16 s that no client should wait for.
    "TORCH_COMPILE_DISABLE": "1",
}


def prepare(settings: WorkerSettings) -> None:
    """Set the variables that are unset."""
    if settings.temporary is not None:
        # vLLM leaves a file there for each engine, and the process may be killed at any time.
        os.environ["TMPDIR"] = tempfile.tempdir = settings.temporary
    values = dict(_ALWAYS)
    values["HF_HUB_OFFLINE"] = str(int(stays_offline(settings.offline, settings.models)))
    threads = str(settings.threads)
    if not settings.cuda:
        values |= _CPU | {"OMP_NUM_THREADS": threads}
    for name, value in values.items():
        os.environ.setdefault(name, value)
    if not settings.cuda:
        # Ray sets this for every actor, from the CPUs that it reserved.
        os.environ["OMP_NUM_THREADS"] = threads
