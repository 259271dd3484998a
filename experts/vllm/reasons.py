"""Why a load failed, in words that name keys of our configuration: what vLLM says names its own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ADDRESS = re.compile(r"argument --([a-z0-9-]+)(?:/\S+)?: (.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What words of vLLM's, transformers' or torch's come from, and what to do."""

    said: str
    """A pattern in their words; its groups may stand in ours."""
    meant: str
    """`{expert}` is the expert's name."""


_MEANINGS: Sequence[Meaning] = (
    Meaning(
        r"max_model_len \((\d+)\) is greater than the derived max_model_len [^\d]*(\d+)?",
        "experts.{expert}.engine_args.max_model_len: {0} is more than the model reads; lower it.",
    ),
    Meaning(
        r"trust_remote_code|contains custom code",
        "The model brings code of its own, which runs only with"
        " experts.{expert}.engine_args.trust_remote_code: true; read that code first.",
    ),
    Meaning(
        r"gated repo|is gated|401 Client Error|403 Client Error|awaiting a review",
        "The Hugging Face hub does not give experts.{expert}.model to this machine; accept its"
        " licence there and set HF_TOKEN, or name a folder.",
    ),
    Meaning(
        r"Unknown quantization method:? '?([\w.-]+)",
        "vLLM cannot read weights quantised by `{0}`; name other weights in experts.{expert}.model"
        " (or correct engine_args.quantization).",
    ),
    Meaning(
        r"([\w.-]+) quantization is (?:currently )?not supported",
        "Weights quantised by `{0}` do not run on this device; name others in"
        " experts.{expert}.model.",
    ),
    Meaning(
        r"Model architectures? \[?'?(\w+)'?\]? (?:are|is) not supported|(\w+) has no vLLM",
        "vLLM has no implementation of this model's architecture ({0}); experts.{expert}.model"
        " must be one that it supports.",
    ),
    Meaning(
        r"does not recognize this architecture|Unrecognized model|model type `?(\w+)`? but",
        "transformers does not know the model_type in config.json of experts.{expert}.model;"
        " correct it, or use a model that this version knows.",
    ),
    Meaning(
        r"weights were not initialized from checkpoint: \{?'?([\w.]+)",
        "The weights in experts.{expert}.model lack {0}, among others; copy or save the checkpoint"
        " again.",
    ),
    Meaning(
        r"no module or parameter named '?([\w.]+)",
        "The weights in experts.{expert}.model have `{0}`, which the architecture in its"
        " config.json does not; are both from the same model?",
    ),
    Meaning(
        r"size mismatch|Attempted to load weight|shape mismatch|must match the size of tensor",
        "A tensor in experts.{expert}.model has another shape than its config.json says; are both"
        " from the same model?",
    ),
    Meaning(
        r"UnpicklingError|Weights only load failed|weights_only|invalid load key",
        "The file pytorch_model.bin in experts.{expert}.model cannot be read; convert it to"
        " safetensors (`save_pretrained` of transformers writes that), or copy it again.",
    ),
    Meaning(
        r"[Uu]nsupported activation:? '?([\w.-]+)|Activation function '([\w.-]+)' is not supported",
        "config.json of experts.{expert}.model: hidden_act: vLLM does not run this architecture"
        " with `{0}`; copy the file again, or use another model.",
    ),
    Meaning(
        r"Unknown RoPE scaling type '?([\w.-]+)",
        "config.json of experts.{expert}.model: rope_parameters.rope_type: vLLM knows no `{0}`;"
        " copy the file again, or use another model.",
    ),
    Meaning(
        r"module 'torch' has no attribute '([\w.-]+)'|Unknown dtype: '?([\w.-]+)",
        "config.json of experts.{expert}.model: dtype: there is no `{0}`; correct it, or set"
        " experts.{expert}.engine_args.dtype.",
    ),
    Meaning(
        r"Validation error for field '(\w+)'",
        "config.json of experts.{expert}.model: {0}: its value is of a wrong type; copy the file"
        " again.",
    ),
    Meaning(
        r"Cannot find the config file for ([\w.-]+)",
        "experts.{expert}.engine_args.quantization: the weights are not quantised by `{0}`; leave"
        " it out, or name weights that are.",
    ),
    Meaning(
        r"_C::\w*fp8\w*|fp8\w* .{0,40}not supported",
        "experts.{expert}.engine_args.quantization: this device does not compute in fp8; leave it"
        " out, or name weights in another format.",
    ),
    Meaning(
        r"[Uu]nknown attention backend: '?([\w.-]+)",
        "experts.{expert}.engine_args.attention_backend: vLLM has no `{0}`; leave it out.",
    ),
    Meaning(
        r"max_num_batched_tokens \((\d+)\) must be greater than or equal to max_num_seqs",
        "experts.{expert}.engine_args.max_num_batched_tokens: {0} is less than max_num_seqs; raise"
        " it, or lower engine_args.max_num_seqs.",
    ),
    Meaning(
        r"SpeculativeConfig",
        "experts.{expert}.engine_args.speculative_config: its `model` must be a folder or a hub id"
        " with a draft model; correct or leave it out.",
    ),
    Meaning(
        r"Repo id must|Invalid repository ID",
        "experts.{expert}.model, or engine_args.tokenizer, is neither a folder of the slot's"
        " machine nor a hub id; correct the path.",
    ),
    Meaning(
        r"it did not answer its first prompt .*404",
        "The engine takes no prompts: experts.{expert}.engine_args.runner must be left out, and its"
        " model be one that generates text.",
    ),
    Meaning(
        r"modules_to_save|does not yet support DoRA",
        "adapter_config.json of experts.{expert}.model: vLLM serves no adapter with DoRA or"
        " `modules_to_save`; merge it into its model, or train one without.",
    ),
    Meaning(
        r"SafetensorError|MetadataIncompleteBuffer|deserializing header|InvalidHeader"
        r"|PytorchStreamReader",
        "A file of weights in experts.{expert}.model is damaged or cut short; copy it again.",
    ),
    Meaning(
        r"^(?!it did not answer).*JSONDecodeError|load tokenizer|backend tokenizer"
        r"|Tokenizer class|tokenizer\.json|sentencepiece",
        "The tokenizer in experts.{expert}.model cannot be read; copy its files again, or name"
        " another one in engine_args.tokenizer.",
    ),
    Meaning(
        r"supplied chat template",
        "experts.{expert}.engine_args.chat_template names no file that the slot can read.",
    ),
    Meaning(
        r"Bfloat16 is only supported on GPUs",
        "This GPU does not compute bfloat16; set experts.{expert}.engine_args.dtype: float16.",
    ),
    Meaning(
        r"attention heads \((\d+)\)|heads.* must be divisible by tensor parallel",
        "The model's attention heads cannot be shared out evenly over the slot's GPUs; lower"
        " experts.{expert}.engine_args.tensor_parallel_size.",
    ),
    Meaning(
        r"[Hh]ead[_ ]size:? ?(\d+)?.{0,40}not supported",
        "The attention of this device does not take this model's head size; it cannot be served"
        " here.",
    ),
    Meaning(
        r"LoRA rank (\d+) is greater than max_lora_rank",
        "The adapter's rank, {0}, is not the one that its adapter_config.json names.",
    ),
    Meaning(
        r"target modules? .{0,80}(?:not supported|expected)|expected target modules",
        "The adapter changes parts of the model that vLLM cannot adapt; train one on its linear"
        " projections, or merge it.",
    ),
    Meaning(
        r"No space left on device",
        "A disk of the slot's machine is full; make room where HF_HOME and the temporary folder"
        " are.",
    ),
    Meaning(
        r"[Oo]ut of memory|OutOfMemory|[Cc]annot allocate memory|[Cc]an't allocate|MemoryError"
        r"|[Ff]ree memory on device|[Nn]o available memory",
        "It finds too little memory in its slot; raise slots.memory_gb, or give it less with"
        " experts.{expert}.memory_gb or engine_args.max_model_len.",
    ),
    Meaning(
        r"^it took too long$",
        "Its load took longer than slots.load_timeout_s; raise it, or see what the slot's machine"
        " waits for.",
    ),
)


def in_our_words(raw: str, expert: str) -> str | None:
    """What an engine's error means, in a sentence with a key and a remedy; None: not known."""
    if (argument := _ADDRESS.search(raw)) is not None:
        name = argument[1].replace("-", "_")
        return f"experts.{expert}.engine_args.{name}: vLLM refuses it ({argument[2].rstrip('.')})."
    for meaning in _MEANINGS:
        if (found := re.search(meaning.said, raw)) is not None:
            groups = [group for group in found.groups() if group]
            return _filled(meaning.meant, expert, groups)
    return None


def _filled(meant: str, expert: str, groups: Sequence[str]) -> str:
    values: Mapping[str, str] = {"expert": expert, "0": groups[0] if groups else "not named"}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], meant)
