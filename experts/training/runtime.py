"""How torch and transformers behave in a command of ours."""

import torch
from transformers.utils import logging


def prepare(threads: int) -> None:
    """Compute with so many threads, and draw no progress bars: commands speak for themselves."""
    torch.set_num_threads(threads)
    logging.disable_progress_bar()
