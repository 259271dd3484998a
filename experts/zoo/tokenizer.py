"""The zoo's two tokenizers: frequent words whole, everything else spelled out in characters."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from experts.zoo.format_examples import FORMATS
from experts.zoo.skills.geography_facts import COUNTRIES
from experts.zoo.skills.logic import NAMES
from experts.zoo.skills.registry import SINGLE_SKILLS, SKILLS
from experts.zoo.skills.units import MONTHS

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
CHAT_ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
# Kept free for models fused later, whose parts may each need a role of their own.
RESERVED_ROLES = tuple(f"<|role_{index}|>" for index in range(64))
LONGEST_CONTEXT = 1024
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# The words of both vocabularies are stored, so that a new question leaves trained experts valid.
WORD_LISTS = Path(__file__).resolve().parent / "words"
SHARED, TRANSLATION = "shared", "translation"
CORPORA: dict[str, tuple[str, ...]] = {
    SHARED: (*SINGLE_SKILLS, "two_skill", *FORMATS),
    TRANSLATION: ("translation",),
}
# Words of later prompts, with the space before them; they are short to say once trained.
GENERAL = (
    *("Ġplease", "Ġthink", "Ġstep", "Ġsteps", "Ġsolve", "Ġproblem", "Ġtask", "Ġplan", "Ġpart"),
    *("Ġcheck", "Ġcorrect", "Ġwrong", "Ġreview", "Ġagree", "Ġcandidate", "Ġcandidates", "Ġfinal"),
    *("Ġbest", "Ġbetter", "Ġjudge", "Ġexpert", "Ġhelp", "Ġuse", "Ġonly", "Ġshort", "Ġyes", "Ġno"),
    *("Ġnot", "Ġother", "Ġprevious", "Ġround", "Ġmessage", "Ġyour", "Ġmy", "Ġthis", "Ġname"),
    *("Ġquestion", "Ġanswers", "Ġfollowing", "Ġskill", "Ġskills", "Ġsame", "Ġmost", "Ġcan"),
    *("Please", "Think", "Answer", "Check", "Review", "Final", "Task", "Step", "Solve", "You"),
)
CORPUS_PER_SKILL = 1500
FEWEST_USES = 20
# A word after a space (byte-level BPE writes the space as Ġ), one that starts a sentence, or
# punctuation. A lower-case word without a space is quoted text and always spelled out.
WHOLE = re.compile(r"Ġ[A-Za-z]{2,}|Ġ[aAI]|[A-Z][a-z]+|'s|Ġ?[^\w\sĠĊ]+")
# Names that are always spelled out, and names that are whole after a space only, so that an
# expert for strings can take each of them apart when it is quoted.
SPELLED = frozenset(word for row in COUNTRIES for name in row for word in name.split())
WHOLE_AFTER_SPACE = frozenset((*NAMES, *MONTHS))


def corpus(names: Iterable[str], seed: int) -> Iterator[str]:
    """Sample training questions of skills and formats."""
    rng = Random(seed)
    for name in names:
        source = SKILLS.get(name) or FORMATS[name]
        for _ in range(CORPUS_PER_SKILL):
            yield source.sample(rng, "train").question


def keeps_whole(piece: str) -> bool:
    """Tell whether a frequent piece may become one token."""
    if piece in WHOLE_AFTER_SPACE or piece.removeprefix("Ġ") in SPELLED:
        return False
    return len(piece) > 1 and WHOLE.fullmatch(piece) is not None


def splitter() -> pre_tokenizers.PreTokenizer:
    """Split text into words with the space before them, single digits and punctuation."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def frequent_words(texts: Iterable[str], splitting: pre_tokenizers.PreTokenizer) -> list[str]:
    """Count the pieces that a splitter makes and keep the frequent words and punctuation."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _ in splitting.pre_tokenize_str(text))
    frequent = [(-count, piece) for piece, count in counts.items() if count >= FEWEST_USES]
    return [piece for _, piece in sorted(frequent) if keeps_whole(piece)]


def count_words(vocabulary: str, seed: int = 0) -> str:
    """Count the frequent words of a vocabulary's corpus anew, one a line, most frequent first."""
    words = frequent_words(corpus(CORPORA[vocabulary], seed), splitter())
    if vocabulary == SHARED:
        words += [word for word in GENERAL if word not in words]
    return "\n".join(words) + "\n"


def write_word_lists() -> None:
    """Count and store the words of every vocabulary, which makes all trained experts invalid."""
    WORD_LISTS.mkdir(exist_ok=True)
    for vocabulary in CORPORA:
        path = WORD_LISTS / f"{vocabulary}.txt"
        path.write_text(count_words(vocabulary), encoding="utf-8")


def build(vocabulary: str) -> PreTrainedTokenizerFast:
    """Build a tokenizer: special tokens, then bytes, then the vocabulary's stored words."""
    words = (WORD_LISTS / f"{vocabulary}.txt").read_text(encoding="utf-8").split()
    specials: tuple[str, ...] = (PAD, BOS, EOS, *CHAT_ROLES)
    if vocabulary == SHARED:
        specials += RESERVED_ROLES
    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *words]
    indices = {piece: index for index, piece in enumerate(pieces)}
    # No merges: a piece is whole because it is in the vocabulary, or spelled byte by byte.
    tokenizer = Tokenizer(BPE(vocab=indices, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = splitter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(specials))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[s for s in specials if s not in (PAD, BOS, EOS)],
        chat_template=CHAT_TEMPLATE,
        model_max_length=LONGEST_CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def save_unswapped(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save a tokenizer so that it loads as it is beside a Qwen2 model.

    Transformers swaps the class that the file names for its own, which splits text
    differently. It does not where the file also names remote code, which it then ignores.
    """
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["auto_map"] = {"AutoTokenizer": ["", ""]}
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
