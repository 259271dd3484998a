"""The environment that vLLM reads when it is imported; set before that happens."""

import os

_ALWAYS = {
    "HF_HUB_OFFLINE": "1",
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


def prepare(threads: int, cuda: bool) -> None:
    """Set the variables that are unset; `threads` is the number of the CPU engine's threads."""
    values = dict(_ALWAYS)
    if not cuda:
        values |= _CPU | {"OMP_NUM_THREADS": str(threads)}
    for name, value in values.items():
        os.environ.setdefault(name, value)
    if not cuda:
        # Ray sets this for every actor, from the CPUs that it reserved.
        os.environ["OMP_NUM_THREADS"] = str(threads)
