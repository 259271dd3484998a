"""Role tokens of other people's tokenizers: found, named, taught, and read as one token."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository import ROOT
from tiny_models import CHAT_TEMPLATE, END, SPARE, START, UNKNOWN, train_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, WordPiece
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from experts.errors import ConfigError
from experts.fused.folder.free_tokens import RESERVED
from experts.fused.folder.role_tokens import RolePlan, plan_roles
from experts.fused.folder.tokenizer_files import write_tokenizer

REAL = ROOT / "out" / "real" / "smollm2"
ROLES = ("routed", "left", "right")
BYTES = 13
"""Bytes that UTF-8 never uses."""


def plan(
    folder: Path,
    tokenizer: Any,
    rows: int | None = None,
    roles: tuple[str, ...] = ROLES,
    named: tuple[str, ...] = (),
) -> RolePlan:
    return plan_roles({"left": folder}, {"left": tokenizer}, rows or len(tokenizer), roles, named)


def texts(found: RolePlan) -> list[str]:
    return [token.text for token in found.tokens]


def written(found: RolePlan, tokenizer: Any, folder: Path) -> Any:
    """The tokenizer of the fused folder, as the engine loads it."""
    tokenizer.save_pretrained(folder / "own")
    (folder / "fused").mkdir()
    write_tokenizer(folder / "own", found, folder / "fused")
    return AutoTokenizer.from_pretrained(folder / "fused")


def is_read(found: RolePlan, tokenizer: Any, reader: Any) -> bool:
    """Whether each role token is one token, in the place of the first, and changes no other."""
    text = tokenizer.apply_chat_template([{"role": "user", "content": "12 days?"}], tokenize=False)
    first, *rest = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert first == found.first.id
    return all(
        reader(token.text + text.removeprefix(found.first.text), add_special_tokens=False)[
            "input_ids"
        ]
        == [token.id, *rest]
        for token in found.tokens
    )


def refusal(folder: Path, tokenizer: Any, token: str) -> str:
    """Why a token cannot stand for a role."""
    with pytest.raises(ConfigError, match="cannot stand for roles") as caught:
        plan(folder, tokenizer, roles=("one",), named=(token,))
    (problem,) = caught.value.problems
    return problem


def many(count: int) -> tuple[str, ...]:
    return tuple(f"role-{number}" for number in range(count))


def test_bytes_that_no_text_holds_are_found(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    ids = tokenizer.get_vocab()
    found = plan(tmp_path, tokenizer)
    assert [(token.text, token.id) for token in found.tokens] == [
        ("<|coterie_role_0|>", ids["\u00c0"]),
        ("<|coterie_role_1|>", ids["\u00c1"]),
        ("<|coterie_role_2|>", ids["\u00f5"]),
    ]
    assert found.first.text == START
    reader = written(found, tokenizer, tmp_path)
    assert is_read(found, tokenizer, reader)
    for text in ("\u00c0 \u00f5 la carte", "<repo_name> \U0010ffff"):
        assert reader(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert reader.decode(reader(text)["input_ids"]) == text


def test_special_tokens_that_the_template_does_not_write_come_last(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    found = plan(tmp_path, tokenizer, roles=many(BYTES + 3))
    assert texts(found)[-4:] == ["<|coterie_role_12|>", "<repo_name>", "<file_sep>", "<gh_stars>"]
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


def test_rows_of_a_padded_embedding_become_tokens(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    count = len(tokenizer)
    found = plan(tmp_path, tokenizer, rows=count + 8)
    assert [(token.text, token.id) for token in found.tokens] == [
        (f"<|coterie_role_{number}|>", count + number) for number in range(3)
    ]
    assert found.taught == found.tokens
    reader = written(found, tokenizer, tmp_path)
    assert is_read(found, tokenizer, reader)
    assert (
        reader("Rome <repo_name> is")["input_ids"] == tokenizer("Rome <repo_name> is")["input_ids"]
    )
    assert reader.decode([found.tokens[0].id, 70], skip_special_tokens=True) == reader.decode([70])


def test_named_tokens_may_be_old_or_new(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    found = plan(
        tmp_path, tokenizer, len(tokenizer) + 1, named=("<filename>", "<|loud|>", "<gh_stars>")
    )
    assert [token.text for token in found.taught] == ["<|loud|>"]
    assert texts(found) == ["<filename>", "<|loud|>", "<gh_stars>"]
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (START, "is the bos_token of left"),
        (END, "is the eos_token of left"),
        (UNKNOWN, "is the unk_token of left"),
        ("days", "is a new token, which must be spelled"),
        ("A", "is an ordinary token"),
    ],
)
def test_tokens_with_a_meaning_are_refused(tmp_path: Path, token: str, reason: str) -> None:
    assert f"role_tokens.0: {token!r} {reason}" in refusal(tmp_path, train_tokenizer(), token)


def test_a_token_of_a_template_that_puts_it_together_is_refused(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(("<|user|>", "<|system|>", "<|tool|>", "<|free|>"))
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    )
    found = plan(tmp_path, tokenizer, roles=("one",), named=("<|free|>",))
    assert texts(found) == ["<|free|>"]
    assert "appears in the chat template of left" in refusal(tmp_path, tokenizer, "<|tool|>")


def test_too_few_are_named_with_what_to_do(tmp_path: Path) -> None:
    roles = many(20)
    match = r"20 roles need .* has 19 that are free: <\|coterie_role_0\|>, .* and 7 more"
    with pytest.raises(ConfigError, match=match) as e:
        plan(tmp_path, train_tokenizer(), roles=roles)
    assert "resize_token_embeddings" in e.value.hint
    with pytest.raises(ConfigError, match=r"20 roles need .*; `role_tokens` names 1"):
        plan(tmp_path, train_tokenizer(), roles=roles, named=("<gh_stars>",))


def test_what_any_member_uses_is_left_alone(tmp_path: Path) -> None:
    tokenizer, other = train_tokenizer(), train_tokenizer()
    folders = {name: tmp_path / name for name in ("left", "right")}
    for folder in folders.values():
        folder.mkdir()
    ids = tokenizer.get_vocab()
    stops = {"eos_token_id": [ids[END], ids["<repo_name>"]], "pad_token_id": -1}
    (folders["right"] / "generation_config.json").write_text(json.dumps(stops))
    other.chat_template = CHAT_TEMPLATE.replace("You are kind.", "<file_sep>")
    tokenizers = {"left": tokenizer, "right": other}
    found = plan_roles(folders, tokenizers, len(tokenizer), many(BYTES + 3))
    assert texts(found)[BYTES:] == ["<gh_stars>", "<issue_closed>", "<empty_output>"]
    with pytest.raises(ConfigError) as caught:
        plan_roles(folders, tokenizers, len(tokenizer), ROLES, ("<repo_name>", "<file_sep>"))
    assert caught.value.problems == (
        "role_tokens.0: '<repo_name>' is the eos_token_id of right in its generation_config.json",
        "role_tokens.1: '<file_sep>' appears in the chat template of right",
    )


def test_a_tokenizer_may_have_no_bos_token(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    tokenizer.bos_token = tokenizer.unk_token = None
    found = plan(tmp_path, tokenizer, len(tokenizer) + 3)
    assert found.first.text == START
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


def test_new_tokens_treat_spaces_as_the_first_token_does(tmp_path: Path) -> None:
    turn = AddedToken("<|user|>", special=True, rstrip=True)
    tokenizer = train_tokenizer((turn, "<|free|>"))
    tokenizer.chat_template = "{% for m in messages %}<|user|>\n{{ m.content }}{% endfor %}"
    assert "treats the spaces beside it otherwise" in refusal(tmp_path, tokenizer, "<|free|>")
    found = plan(tmp_path, tokenizer, len(tokenizer) + 3)
    assert texts(found)[0] == "<|coterie_role_0|>"
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


def _like_llama() -> PreTrainedTokenizerFast:
    """Byte fallback, a space in front of every text, and nothing to spare."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    pieces += [chr(code) for code in range(97, 123)]
    vocabulary = {piece: id for id, piece in enumerate(pieces)}
    backend = Tokenizer(BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template="{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]"
        "{% endfor %}",
    )


def test_bytes_of_a_fallback_serve_where_nothing_else_is_left(tmp_path: Path) -> None:
    tokenizer = _like_llama()
    found = plan(tmp_path, tokenizer)
    assert [token.instead_of for token in found.tokens] == ["<0xC0>", "<0xC1>", "<0xF5>"]
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


def test_unused_words_of_a_vocabulary_become_special(tmp_path: Path) -> None:
    pieces = ["[UNK]", "[CLS]", "[SEP]", "[unused1]", "[unused2]", "[unused3]"]
    pieces += ["days", "two", "?", "[", "]", "12"]
    vocabulary = {piece: id for id, piece in enumerate(pieces)}
    backend = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
        chat_template="{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    )
    found = plan(tmp_path, tokenizer)
    assert texts(found) == ["[unused1]", "[unused2]", "[unused3]"]
    assert is_read(found, tokenizer, written(found, tokenizer, tmp_path))


@given(
    spare=st.lists(
        st.builds(
            lambda name, left, right, special: AddedToken(
                name, lstrip=left, rstrip=right, special=special
            ),
            st.sampled_from([*SPARE, "<|role_3|>", "<unused7>", "<tool>", "[X]"]),
            *(st.booleans(),) * 3,
        ),
        unique_by=str,
        max_size=6,
    ),
    padding=st.integers(0, 5),
    count=st.integers(1, 20),
    has_bos=st.booleans(),
    said=st.text(max_size=20),
)
@settings(max_examples=40, deadline=None)
def test_any_tokenizer_gives_tokens_that_change_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    spare: list[AddedToken],
    padding: int,
    count: int,
    has_bos: bool,
    said: str,
) -> None:
    tokenizer = train_tokenizer(())
    tokenizer.add_tokens(spare)
    tokenizer.bos_token = START if has_bos else None
    folder = tmp_path_factory.mktemp("odd")
    usable = [one for one in spare if one.special or RESERVED.fullmatch(str(one))]
    free = BYTES + padding + sum(not one.lstrip and not one.rstrip for one in usable)
    if count > free:
        with pytest.raises(ConfigError, match=f"{count} roles need .* has {free} that are free"):
            plan(folder, tokenizer, len(tokenizer) + padding, many(count))
        return
    found = plan(folder, tokenizer, len(tokenizer) + padding, many(count))
    plain = tokenizer(said, add_special_tokens=False)["input_ids"]
    if not any(token.text in said for token in found.tokens):
        assert found.backend.encode(said, add_special_tokens=False).ids == plain
    for token in found.tokens:
        answer = f"{token.text}system\n{said}"
        expected = tokenizer(f"{START}system\n{said}", add_special_tokens=False)["input_ids"]
        read = found.backend.encode(answer, add_special_tokens=False).ids
        assert read == [token.id, *expected[1:]]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="SmolLM2 is not there; `make real` makes it")
def test_smollm2_has_room_for_fourteen_roles(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(REAL)
    found = plan_roles({"left": REAL}, {"left": tokenizer}, 49152, many(14))
    assert found.first.text == START
    assert {token.id for token in found.tokens} == set(range(3, 17))
    assert texts(found)[-2:] == ["<reponame>", "<filename>"]
    reader = written(found, tokenizer, tmp_path)
    assert is_read(found, tokenizer, reader)
    text = "\u00c0 la carte, na\u00efve \u00ff \U0001f600 <|im_start|> 1 + 1"
    assert reader(text)["input_ids"] == tokenizer(text)["input_ids"]
