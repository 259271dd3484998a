"""What engines say when a load fails, in words that name our keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.vllm.reasons import in_our_words


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            "ValidationError: 1 validation error for ModelConfig Value error, User-specified"
            " max_model_len (9000) is greater than the derived max_model_len"
            " (max_position_embeddings=2048.0 or model_max_length=None in model's config.json).",
            "experts.law.engine_args.max_model_len: 9000 is more than the model reads; lower it.",
        ),
        (
            "ValueError: argument --block-size: invalid int value: 'x'",
            "experts.law.engine_args.block_size: vLLM refuses it (invalid int value: 'x').",
        ),
        ("ValueError: Unknown quantization method: bitsandbytes. Must", "quantised by `bitsand"),
        ("ValueError: fp8 quantization is currently not supported in cpu.", "quantised by `fp8`"),
        (
            "ValueError: Model architectures ['Foo'] are not supported for now. Supported",
            "architecture (Foo); experts.law.model must be one",
        ),
        (
            "ValueError: The checkpoint you are trying to load has model type `foo` but"
            " Transformers does not recognize this architecture.",
            "does not know the model_type in config.json of experts.law.model",
        ),
        (
            "ValueError: Following weights were not initialized from checkpoint:"
            " {'model.norm.weight'}",
            "experts.law.model lack model.norm.weight",
        ),
        ("ValueError: There is no module or parameter named 'h' in LlamaModel", "have `h`, which"),
        ("AssertionError: Attempted to load weight (torch.Size([4])) into", "another shape than"),
        ("Error while deserializing header: header too large", "copy it again"),
        ("UnpicklingError: Weights only load failed.", "experts.law.model cannot be read; convert"),
        ("ValueError: Unsupported activation: wiggle. Only silu", "hidden_act: vLLM does not run"),
        ("ValueError: Unknown RoPE scaling type yarnn", "rope_type: vLLM knows no `yarnn`"),
        (
            "AttributeError: module 'torch' has no attribute 'float99'",
            "dtype: there is no `float99`",
        ),
        (
            "StrictDataclassFieldValidationError: Validation error for field 'hidden_size':"
            " TypeError: Field 'hidden_size' expected int, got str (value: '576')",
            "hidden_size: its value is of a wrong type",
        ),
        (
            "ValidationError: 1 validation error for VllmConfig Value error, Cannot find the config"
            " file for awq [type=value_error]",
            "engine_args.quantization: the weights are not quantised by `awq`",
        ),
        (
            "RuntimeError: _C::static_scaled_fp8_quant() expected at most 0 argument(s)",
            "engine_args.quantization: this device does not compute in fp8",
        ),
        (
            "ValueError: Unknown attention backend: 'BOGUS'. Valid options are: FLASH_ATTN",
            "engine_args.attention_backend: vLLM has no `BOGUS`",
        ),
        (
            "ValidationError: 1 validation error for SchedulerConfig Value error,"
            " max_num_batched_tokens (64) must be greater than or equal to max_num_seqs (128).",
            "max_num_batched_tokens: 64 is less than max_num_seqs",
        ),
        (
            "ValidationError: 1 validation error for SpeculativeConfig Value error, Invalid"
            " repository ID or local directory specified: 'x'.",
            "engine_args.speculative_config: its `model` must",
        ),
        ("OSError: Repo id must use alphanumeric chars", "neither a folder of the slot's"),
        (
            "it did not answer its first prompt (HTTPStatusError('404 Not Found'))",
            "engine_args.runner must be left out",
        ),
        ("vLLM does not yet support DoRA.", "merge it into its model"),
        (
            "JSONDecodeError: Expecting property name enclosed in double quotes: line 2",
            "engine_args.tokenizer",
        ),
        ("OSError: Can't load tokenizer for '/m'.", "engine_args.tokenizer"),
        (
            "ValueError: The supplied chat template (a.jinja) looks like a file",
            "chat_template names",
        ),
        ("ValueError: ... set the option `trust_remote_code=True`", "trust_remote_code: true"),
        ("OSError: You are trying to access a gated repo.", "set HF_TOKEN"),
        ("ValueError: Bfloat16 is only supported on GPUs with compute", "dtype: float16"),
        (
            "ValueError: Total number of attention heads (9) must be divisible by tensor parallel",
            "experts.law.engine_args.tensor_parallel_size",
        ),
        ("NotImplementedError: Head size 48 is not supported by CPU", "head size"),
        ("ValueError: LoRA rank 64 is not; LoRA rank 64 is greater than max_lora_rank 16", "64"),
        ("OSError: [Errno 28] No space left on device", "disk of the slot's machine is full"),
        ("OutOfMemoryError: CUDA out of memory. Tried", "raise slots.memory_gb"),
        ("ValueError: Free memory on device (1/2 GiB) on startup is less", "raise slots.memory_gb"),
        ("it took too long", "slots.load_timeout_s"),
    ],
)
def test_likely_reasons_name_a_key_and_a_remedy(raw: str, said: str) -> None:
    meant = in_our_words(raw, "law")
    assert meant is not None
    assert said in meant
    assert "{" not in meant


@pytest.mark.parametrize(
    "raw",
    [
        "ZeroDivisionError: division by zero",
        "its slot's process died while it was loading",
        "org/m is no folder, and https://huggingface.co does not answer within 3 s"
        " (slots.hub_timeout_s). Name a folder with its weights, or see to the network.",
        "ValueError: Its KV cache has no room for one request of the whole context. Lower",
        "its answer to a known prompt changed, also after a fresh load",
    ],
)
def test_what_is_not_known_or_ours_already_stays_as_it_is(raw: str) -> None:
    assert in_our_words(raw, "law") is None


@given(raw=st.text(max_size=80), expert=st.text(min_size=1, max_size=5))
def test_any_words_are_taken(raw: str, expert: str) -> None:
    assert in_our_words(raw, expert) is None or isinstance(in_our_words(raw, expert), str)


def test_nobody_is_told_to_run_what_a_pickle_says() -> None:
    raw = "Re-running `torch.load` with `weights_only` set to `False` will likely succeed"
    said = in_our_words(raw, "law")
    assert said is not None
    assert "False" not in said
