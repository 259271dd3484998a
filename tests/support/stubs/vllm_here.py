"""vLLM in the test's own process, imported with the environment and the silence of a slot.

Import this before anything of vLLM, and mark the test `e2e`: it takes as long as a small engine.
"""

import os
import warnings
from importlib import import_module
from unittest.mock import patch

from experts.vllm import environment
from experts.vllm.loads import WorkerSettings

with patch.dict(os.environ), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    environment.prepare(WorkerSettings(1))
    import_module("vllm.engine.arg_utils")
    import_module("vllm.model_executor.layers.attention")
