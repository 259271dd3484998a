"""The request fields that may pass: what OpenAI documents, and what vLLM adds to it.

The engine checks the values. The list is here so that a misspelt field is an error, as it is at
OpenAI, and is not silently ignored.
"""

from experts.types import Operation

_SHARED = """
    model stream stream_options n stop seed temperature top_p max_tokens logit_bias logprobs
    frequency_penalty presence_penalty user best_of top_k min_p repetition_penalty length_penalty
    stop_token_ids include_stop_str_in_output ignore_eos min_tokens skip_special_tokens
    spaces_between_special_tokens truncate_prompt_tokens allowed_token_ids bad_words
    prompt_logprobs add_special_tokens response_format structured_outputs priority request_id
    return_tokens_as_token_ids return_token_ids cache_salt vllm_xargs use_beam_search
    repetition_detection echo logprob_token_ids truncation_side return_prompt_text
    stream_interval session_id return_token_offsets thinking_token_budget
"""
_CHAT = """
    messages max_completion_tokens top_logprobs tools tool_choice parallel_tool_calls functions
    function_call metadata modalities prediction reasoning_effort service_tier store audio
    verbosity web_search_options safety_identifier prompt_cache_key add_generation_prompt
    continue_final_message documents chat_template chat_template_kwargs mm_processor_kwargs
    include_reasoning media_io_kwargs
"""
_COMPLETIONS = "prompt prompt_embeds suffix"

_WITHHELD = """
    kv_transfer_params ec_transfer_params mm_payload return_mm_kwargs watermarking
    routed_experts_prompt_start
"""

WITHHELD = frozenset(_WITHHELD.split())
"""How engines talk to each other, and what only images need: not for clients of the gateway."""

FIELDS: dict[Operation, frozenset[str]] = {
    "chat/completions": frozenset((_SHARED + _CHAT).split()),
    "completions": frozenset(f"{_SHARED} {_COMPLETIONS}".split()),
}
