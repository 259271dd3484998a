"""Any model of sentence-transformers (https://www.sbert.net) as the encoder of routers."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts.errors import ConfigError
from routers.encoders.cached import CachedEncoder
from routers.encoders.choice import folder_of, name_of

MOST_MODELS = 8
"""Models that stay loaded; routers share those that they have in common."""


class SentenceEncoder(CachedEncoder):
    """Reads a text as far as its model does. The weights are read when it is made."""

    def __init__(self, model: str) -> None:
        """Raises ConfigError for what is no model on this machine."""
        super().__init__()
        folder = folder_of(model)
        if folder is None:
            raise ConfigError(
                f"{model} is no folder of a model, and no hub id that this machine has."
            )
        self.name = name_of(model)
        self._turn = threading.Lock()
        try:
            # Imported here: it takes seconds, and most routers use the built-in encoder.
            library: Any = import_module("sentence_transformers")
            self._model = library.SentenceTransformer(
                str(folder), device="cpu", local_files_only=True
            )
            self._dimension = len(self._compute(["one"])[0])
        except Exception as error:  # The library, and what it builds on, raise a dozen kinds.
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ConfigError(
                f"{model} is no model that sentence-transformers can load ({reason})."
            ) from error

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self._dimension

    def _compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        with self._turn:
            vectors = self._model.encode(whole, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=MOST_MODELS)
def sentence_encoder(model: str) -> SentenceEncoder:
    """The encoder of a model, which all routers share that name it. Raises ConfigError."""
    return SentenceEncoder(model)
