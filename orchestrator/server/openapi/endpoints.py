"""What each endpoint takes and answers, put together of the types in `bodies/`."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.feedback import FeedbackTaken
from orchestrator.request.tracing.recent import RequestRecord
from orchestrator.server.bodies import answers as said
from orchestrator.server.bodies.agents import message_answers as anthropic
from orchestrator.server.bodies.agents import response_answers as responses
from orchestrator.server.bodies.agents.messages import CountTokensBody, MessagesBody
from orchestrator.server.bodies.agents.responses import ResponsesBody
from orchestrator.server.bodies.batches import BatchBody
from orchestrator.server.bodies.console.playground import RouteBody, Routed
from orchestrator.server.bodies.console.reports import ReportList, ReportTold
from orchestrator.server.bodies.console.watching import ExpertStanding, PoolNews
from orchestrator.server.bodies.embeddings import EmbeddingsBody
from orchestrator.server.bodies.extension import Extension
from orchestrator.server.bodies.feedback import FeedbackBody
from orchestrator.server.bodies.keys import KeyBody, KeyList, KeyMade, KeyRevoked
from orchestrator.server.bodies.operations import ChatBody, CompletionBody
from orchestrator.server.bodies.reload import (
    Chosen,
    ConfigStatus,
    ExpertAdded,
    ExpertBody,
    ExpertChecked,
    Loaded,
    Pinned,
    ReloadBody,
    ReloadTold,
    YamlBody,
)
from orchestrator.server.bodies.sampling import Strict
from orchestrator.server.bodies.tokenizer import DetokenizeBody, TokenizeBody
from orchestrator.server.openapi.operations import (
    ASKED,
    CALLED,
    JSON,
    MODEL,
    OURS,
    POSTED,
    READ,
    answers,
    as_anthropic,
    events_of,
    json_of,
    named_events_of,
    response,
    takes,
)

Operation = dict[str, Any]


def _request(name: str, body: type[Strict], model: Any) -> type[BaseModel]:
    """A whole body as clients send it: with our own field, which is read by itself."""
    fields: dict[str, Any] = {"model": model, "coterie": (Extension | None, None)}
    return create_model(name, __base__=body, __doc__=body.__doc__, **fields)


_NAMED = (
    Annotated[str, Field(min_length=1, description="An expert, or a composition of the pool.")],
    ...,
)
_EMBEDDER = (
    Annotated[
        str,
        Field(min_length=1, description=f"{EMBEDDING_MODEL}, or an expert of `task: embed`."),
    ],
    ...,
)
_ANY = (Annotated[Any, Field(description="Not looked at: the path names the expert.")], None)

ChatRequest = _request("ChatRequest", ChatBody, _NAMED)
CompletionRequest = _request("CompletionRequest", CompletionBody, _NAMED)
ResponsesRequest = _request("ResponsesRequest", ResponsesBody, _NAMED)
MessagesRequest = _request("MessagesRequest", MessagesBody, _NAMED)
CountTokensRequest = _request("CountTokensRequest", CountTokensBody, _NAMED)
ExpertChatRequest = _request("ExpertChatRequest", ChatBody, _ANY)
ExpertCompletionRequest = _request("ExpertCompletionRequest", CompletionBody, _ANY)
EmbeddingsRequest = _request("EmbeddingsRequest", EmbeddingsBody, _EMBEDDER)
ExpertEmbeddingsRequest = _request("ExpertEmbeddingsRequest", EmbeddingsBody, _ANY)

ASKING = (
    ChatRequest,
    CompletionRequest,
    ResponsesRequest,
    MessagesRequest,
    CountTokensRequest,
)
"""The bodies that name a model of the pool."""
REQUESTS: tuple[type[Any], ...] = (
    ChatRequest,
    CompletionRequest,
    ResponsesRequest,
    MessagesRequest,
    CountTokensRequest,
    ExpertChatRequest,
    ExpertCompletionRequest,
    EmbeddingsRequest,
    ExpertEmbeddingsRequest,
    BatchBody,
    FeedbackBody,
    TokenizeBody,
    DetokenizeBody,
    KeyBody,
    ReloadBody,
    ExpertBody,
    YamlBody,
    RouteBody,
)
ANSWERS: tuple[type[Any], ...] = (
    said.ErrorBody,
    said.ModelCard,
    said.ModelList,
    said.Status,
    said.Readiness,
    said.Version,
    said.PoolState,
    FeedbackTaken,
    RequestRecord,
    said.Draining,
    said.Reloaded,
    said.ChatCompletion,
    said.ChatCompletionChunk,
    said.TextCompletion,
    said.TextCompletionChunk,
    said.EmbeddingList,
    responses.ResponseObject,
    responses.ResponseEvent,
    anthropic.AnthropicErrorBody,
    anthropic.AnthropicAnswer,
    anthropic.AnthropicEvent,
    anthropic.TokenCount,
    said.Tokens,
    said.Detokenized,
    KeyMade,
    KeyList,
    KeyRevoked,
    ReloadTold,
    ExpertAdded,
    ExpertChecked,
    Loaded,
    Pinned,
    Chosen,
    ConfigStatus,
    PoolNews,
    ExpertStanding,
    Routed,
    ReportList,
    ReportTold,
)

_QUESTION = {"messages": [{"role": "user", "content": "What is 17 + 25?"}], "max_tokens": 64}
_TEXT = {"prompt": "17 + 25 =", "max_tokens": 8, "temperature": 0}
_ABOUT = "The answer; as events with `stream`."
BYTES = "application/octet-stream"
_UPLOADED = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": ["batch"]},
    },
    "required": ["file", "purpose"],
}
_OBJECT = {JSON: {"schema": {"type": "object"}}}
_ONE = ("x-coterie-expert",)


def _tokens(body: type[Any], example: Operation, whole: type[Any], event: type[Any]) -> Operation:
    content = json_of(whole) | events_of(event, said.ErrorBody)
    return takes(body, example) | answers(_ABOUT, content, ASKED, OURS)


def _chat(body: type[Any], **model: str) -> Operation:
    example = {**model, **_QUESTION}
    return _tokens(body, example, said.ChatCompletion, said.ChatCompletionChunk)


def _completion(body: type[Any], **model: str) -> Operation:
    return _tokens(body, {**model, **_TEXT}, said.TextCompletion, said.TextCompletionChunk)


CHAT = _chat(ChatRequest, model=MODEL)
COMPLETION = _completion(CompletionRequest, model=MODEL)
EXPERT_CHAT = _chat(ExpertChatRequest)
EXPERT_COMPLETION = _completion(ExpertCompletionRequest)
EMBEDDINGS = takes(EmbeddingsRequest, {"model": EMBEDDING_MODEL, "input": "a text"}) | answers(
    "The embeddings.", json_of(said.EmbeddingList), ASKED, OURS
)
EXPERT_EMBEDDINGS = takes(ExpertEmbeddingsRequest, {"input": "a text"}) | answers(
    "The embeddings.", json_of(said.EmbeddingList), ASKED, OURS
)
RESPONSES = takes(
    ResponsesRequest, {"model": MODEL, "input": "What is 17 + 25?", "max_output_tokens": 64}
) | answers(
    _ABOUT,
    json_of(responses.ResponseObject) | named_events_of(responses.ResponseEvent),
    ASKED,
    OURS,
)
_MESSAGE = {"model": MODEL, **_QUESTION}
MESSAGES = as_anthropic(
    takes(MessagesRequest, _MESSAGE)
    | answers(
        _ABOUT,
        json_of(anthropic.AnthropicAnswer) | named_events_of(anthropic.AnthropicEvent),
        ASKED,
        OURS,
    ),
    anthropic.AnthropicErrorBody,
)
COUNT_TOKENS = as_anthropic(
    takes(CountTokensRequest, {key: _MESSAGE[key] for key in ("model", "messages")})
    | answers("The number.", json_of(anthropic.TokenCount), CALLED, _ONE),
    anthropic.AnthropicErrorBody,
)
MODELS = answers("The models.", json_of(said.ModelList))
ONE_MODEL = answers("The model.", json_of(said.ModelCard), (404, *READ))
EXPERT_MODELS = answers("The model.", json_of(said.ModelList), (404, *READ))

HEALTH = answers("It is alive.", json_of(said.Status))
READINESS = answers(
    "It is ready.",
    json_of(said.Readiness),
    others={503: response("It is not ready.", json_of(said.Readiness))},
)
VERSION = answers("The version.", json_of(said.Version))
POOL = answers("The pool.", json_of(said.PoolState), (403, *READ))
EVENTS = answers("What happens.", named_events_of(PoolNews), (403, 429, *READ, 503))
STANDING = answers("The expert.", json_of(ExpertStanding), (403, 404, *READ))
ROUTE = takes(RouteBody, {"model": MODEL, "question": "How many metres are 3 kilometres?"}) | (
    answers("Who would be asked.", json_of(Routed), (404, *POSTED))
)
REPORTS = answers("The reports.", json_of(ReportList), (403, *READ))
REPORT = answers("The report.", json_of(ReportTold), (403, 404, *READ))
_FILES = ("image/svg+xml", "image/png", "text/html", "text/markdown")
REPORT_FILE = answers(
    "The file.", {kind: {"schema": {"type": "string"}} for kind in _FILES}, (403, 404, *READ)
)
FEEDBACK = takes(FeedbackBody, {"request_id": "req-1", "score": 1}) | answers(
    "The score was taken.", json_of(FeedbackTaken), POSTED
)
REQUEST = answers("What happened.", json_of(RequestRecord), (404, *READ))
RELOAD = answers("The router decides.", json_of(said.Reloaded), (403, 404, *POSTED))
DRAIN = answers("Its state.", json_of(said.Draining), (403, *READ))
_WEIGHTS = {"type": "object", "additionalProperties": {"type": "number"}}
LEARNED = answers(
    "Composition -> policy -> weight.",
    {JSON: {"schema": {"type": "object", "additionalProperties": _WEIGHTS}}},
    (403, *READ),
)
NEW_KEY = takes(KeyBody, {"name": "team-a", "models": ["pool/*"], "tokens_per_day": 100000}) | (
    answers("The key, told this once.", json_of(KeyMade), (403, 409, *POSTED))
)
KEYS = answers("The keys.", json_of(KeyList), (403, *READ, 503))
KEY_REVOKED = answers("It is revoked.", json_of(KeyRevoked), (403, 404, 409, *READ, 503))
METRICS = answers("The metrics.", {"text/plain": {"schema": {"type": "string"}}})
DOCUMENT = answers("The document.", _OBJECT)
PAGE = answers("A page to read.", {"text/html": {"schema": {"type": "string"}}})
_UNCHANGED = {304: response("It is the one that the client has (`if-none-match`).", {})}
CONSOLE = answers("The page.", {"text/html": {"schema": {"type": "string"}}}, others=_UNCHANGED)
CONSOLE_FILE = answers(
    "The file.",
    {
        kind: {"schema": {"type": "string"}}
        for kind in ("text/html", "text/javascript", "text/css", "image/svg+xml")
    },
    (404, *READ),
    others=_UNCHANGED,
)

FILES = answers("The caller's files.", _OBJECT, (400, *READ))
FILE = answers("The file.", _OBJECT, (404, *READ))
FILE_CONTENT = answers("What is in it.", {BYTES: {"schema": {"type": "string"}}}, (404, *READ))
FILE_DELETED = answers("It is gone.", _OBJECT, (404, 409, *READ))
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": _UPLOADED}},
    }
} | answers("The file.", _OBJECT, POSTED)
NEW_BATCH = takes(
    BatchBody,
    {
        "input_file_id": "file-0",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    },
) | answers("The batch.", _OBJECT, (404, *POSTED))
BATCHES = answers("The caller's batches.", _OBJECT, (400, *READ))
BATCH = answers("The batch.", _OBJECT, (404, *READ))
BATCH_ANSWERS = answers(
    "Lines of the output, as they came.",
    {"application/jsonl": {"schema": {"type": "string"}}},
    (400, 404, *READ),
)
BATCH_CANCELLED = answers("The batch, which ends now.", _OBJECT, (400, 404, *READ))

TOKENIZE = takes(TokenizeBody, {"prompt": "a text"}) | answers(
    "The token ids.", json_of(said.Tokens), CALLED, _ONE
)
DETOKENIZE = takes(DetokenizeBody, {"tokens": [1, 2]}) | answers(
    "The text.", json_of(said.Detokenized), CALLED, _ONE
)
ENGINES_OWN = answers("What the expert's engine says.", _OBJECT, CALLED, _ONE)
EXPERT_HEALTH = answers("It is configured.", json_of(said.Status), (404, *READ))
EXPERT_READINESS = answers(
    "It would answer without a load.",
    json_of(said.Status),
    (404, *READ),
    others={503: response("It would have to be loaded.", json_of(said.Status))},
)
EXPERT_DOCUMENT = answers("The document.", _OBJECT, (404, *READ))
_CHANGES = (403, 409, *POSTED)
RELOAD_CONFIG = takes(ReloadBody, {"dry_run": True}) | answers(
    "It runs, or would.", json_of(ReloadTold), _CHANGES
)
NEW_EXPERT = takes(ExpertBody, {"name": "law", "type": "vllm", "model": "acme/law-7b"}) | answers(
    "It is in the pool.", json_of(ExpertAdded), _CHANGES
)
CONFIG = answers("The configuration that runs.", json_of(ConfigStatus), (403, 409, *READ))
CHECK_EXPERT = takes(YamlBody, {"yaml": "law: {type: vllm, model: acme/law-7b}"}) | answers(
    "Whether they are right.", json_of(ExpertChecked), _CHANGES
)
_HOSTED = (400, 403, 404, 409, 429, *READ, 503, 504)
LOAD_EXPERT = answers("It is there.", json_of(Loaded), _HOSTED)
PIN_EXPERT = answers("It stays.", json_of(Pinned), _HOSTED)
ROUTE_TO_EXPERT = answers("The routers choose it.", json_of(Chosen), (403, 404, 409, *READ))
UNPIN_EXPERT = answers("It may leave.", json_of(Pinned), _HOSTED)
