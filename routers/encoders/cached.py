"""An encoder that keeps the vectors of the texts that it was asked for last."""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CACHE_SIZE = 4_096
"""Texts whose vectors are kept, of 1.5 kB each where they have 384 numbers."""

KEY_CHARACTERS = 8_192
"""Longer texts are not kept."""


class CachedEncoder(ABC):
    """An encoder over `_compute`; `cache_size` texts are kept, 0 keeps none.

    The least recently used leave first. Equal texts of one call are computed once.
    """

    def __init__(self, cache_size: int = CACHE_SIZE) -> None:
        self._cache = VectorCache(cache_size)

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Numbers of a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), dimension], rows of length one. Blocks while it computes."""
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

    @abstractmethod
    def _compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of some texts, all different."""


class VectorCache:
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
        if self._size < 1 or len(text) > KEY_CHARACTERS:
            return  # The keys are texts: very long ones would make the bound meaningless.
        with self._lock:
            self._vectors[text] = vector.copy()  # A view would keep the whole batch alive.
            self._vectors.move_to_end(text)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
