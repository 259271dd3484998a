"""What the models of a fused folder use the tokens of their shared tokenizer for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experts.fused.folder.free_tokens import Vocabulary
from experts.fused.folder.template_tokens import written_by_template

_NAMED_BY_TOKENIZER = ("bos_token", "eos_token", "pad_token", "unk_token")
_NAMED_BY_FILES = ("bos_token_id", "eos_token_id", "pad_token_id")
_FILES = ("config.json", "generation_config.json")
_NEVER_IN_UTF8 = (0xC0, 0xC1, *range(0xF5, 0x100))


def read_vocabulary(
    folders: Mapping[str, Path], tokenizers: Mapping[str, Any], rows: int, first: int
) -> Vocabulary:
    """What is known of the shared tokenizer: its tokens, and what the models use them for."""
    tokenizer = next(iter(tokenizers.values()))
    ids = tokenizer.get_vocab()
    taken: dict[int, str] = {}
    for name, one in tokenizers.items():
        for id, reason in _used_by(name, folders[name], one, ids):
            taken.setdefault(id, reason)
    decoder = tokenizer.added_tokens_decoder
    model = decoder[first]
    for id, token in decoder.items():
        if (token.lstrip, token.rstrip) != (model.lstrip, model.rstrip):
            taken.setdefault(id, f"treats the spaces beside it otherwise than {model.content} does")
    return Vocabulary(
        ids=ids,
        added=frozenset(token.content for token in decoder.values()),
        special=frozenset(token.content for token in decoder.values() if token.special),
        taken=taken,
        rows=rows,
        impossible=impossible_bytes(json.loads(tokenizer.backend_tokenizer.to_str())),
    )


def impossible_bytes(backend: Mapping[str, Any]) -> list[str]:
    """The tokens of bytes that UTF-8 never uses: <0xC0> in a vocabulary with byte fallback.

    Byte-level vocabularies spell the byte 0xC0 as its character in Latin 1, which is no danger to
    that character in a text: there it is two bytes.
    """
    model = backend["model"]
    spelled: Callable[[int], str]
    if model.get("byte_fallback"):
        spelled = "<0x{:02X}>".format
    elif '"ByteLevel"' in json.dumps(backend.get("decoder")):
        spelled = chr
    else:
        return []
    pieces = model["vocab"] if isinstance(model["vocab"], dict) else [p for p, _ in model["vocab"]]
    known = {spelled(byte) for byte in _NEVER_IN_UTF8} & set(pieces)
    known -= {one["content"] for one in backend.get("added_tokens") or ()}
    for merge in model.get("merges") or ():
        known.difference_update(merge.split(" ") if isinstance(merge, str) else merge)
    return sorted(known)


def _used_by(
    name: str, folder: Path, tokenizer: Any, ids: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    for key in _NAMED_BY_TOKENIZER:
        token = getattr(tokenizer, key, None)
        if token is not None and str(token) in ids:
            yield ids[str(token)], f"is the {key} of {name}"
    for file in _FILES:
        path = folder / file
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for key in _NAMED_BY_FILES:
            for id in _ids(content.get(key)):
                yield id, f"is the {key} of {name} in its {file}"
    for id in sorted(written_by_template(tokenizer)):
        yield id, f"appears in the chat template of {name}"


def _ids(value: Any) -> Iterable[int]:
    values = value if isinstance(value, list) else [value]
    return [id for id in values if isinstance(id, int) and id >= 0]
