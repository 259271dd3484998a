"""Process-wide settings of torch and transformers for our commands."""

import ctypes
import sys

import torch
from transformers.utils import logging

# Parameters of glibc's mallopt (malloc.h), and what they are set to.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 1 << 30


def prepare(threads: int) -> None:
    """Compute with so many threads, and draw no progress bars: commands speak for themselves."""
    torch.set_num_threads(threads)
    logging.disable_progress_bar()
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next one.

    By default each large tensor is mapped anew, and the kernel fills it with zeros.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
