"""The OpenAPI document of a service, and those of its experts' own paths."""

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Literal

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from orchestrator.config.model import Config
from orchestrator.request.compositions import POOL
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.tracing.presentation import HEADERS
from orchestrator.server.auth import is_guarded
from orchestrator.server.bodies.agents.message_answers import AnthropicErrorBody
from orchestrator.server.bodies.answers import ErrorBody
from orchestrator.server.gates.admin import is_admin
from orchestrator.server.openapi.endpoints import ANSWERS, ASKING, REQUESTS
from orchestrator.server.openapi.operations import ANTHROPIC, MODEL, SCHEMAS, all_errors
from orchestrator.server.reuse.idempotency_key import ENDPOINTS, MAX_KEY

Tree = dict[str, Any]
EXPERT = "/e/{expert}"
OPENAPI = "3.1.0"
READ: Literal["validation"] = "validation"
SENT: Literal["serialization"] = "serialization"
_ABOUT = "A pool of specialist language models behind OpenAI's API."
_PARAMETER = re.compile(r"\{(\w+)\}")
_TEXT = {"type": "string"}
_KEY: Tree = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `server.api_keys`, or of the store.",
}
_ASKED_ID: Tree = {
    "name": "x-request-id",
    "in": "header",
    "description": "The client's own id of the request, which the answer has, too.",
    "schema": _TEXT,
}

_MADE_UP: Tree = {
    "type": "string",
    "pattern": f"^{re.escape(POOL)}.",
    "description": "A router, or ROUTER+AGGREGATOR.",
}
_KEY_OF_ITS_OWN: Tree = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text that no other request has: a retry with the same one does not run again,"
    " and gets the response of the first.",
    "schema": {**_TEXT, "pattern": f"^[ -~]{{1,{MAX_KEY}}}$"},
}


class Documents:
    """The document of a service, made of its routes when it is first asked for."""

    def __init__(
        self, routes: Iterable[BaseRoute], config: Config, locked: Callable[[], bool]
    ) -> None:
        """`locked` tells whether requests need a key, which they may from some day on."""
        self._routes = routes
        self._config = config
        self._is_locked = locked
        self._locked = False
        self._made: dict[bool, Tree] = {}

    @property
    def whole(self) -> Tree:
        """Every endpoint."""
        locked = self._is_locked()
        if locked not in self._made:
            self._locked = locked
            self._made[locked] = self._make()
        return self._made[locked]

    @property
    def public(self) -> Tree:
        """The document of a listener that does not answer for what changes the service."""
        whole = self.whole
        paths = {path: item for path, item in whole["paths"].items() if not is_admin(path)}
        return {**whole, "paths": paths}

    def _make(self) -> Tree:
        paths: Tree = {}
        for route in self._routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                path = paths.setdefault(route.path_format, {})
                methods = route.methods - {"HEAD"}  # It is as good as GET.
                path |= {method.lower(): self._operation(route) for method in methods}
        components = {
            "schemas": self._named(_schemas()),
            "headers": _headers(),
            "responses": all_errors(ErrorBody),
            "parameters": {"x-request-id": _ASKED_ID, "Idempotency-Key": _KEY_OF_ITS_OWN},
        }
        if self._locked:
            components["securitySchemes"] = {"key": _KEY}
        info = {"title": "Coterie", "version": version("coterie"), "description": _ABOUT}
        return {"openapi": OPENAPI, "info": info, "paths": paths, "components": components}

    def of_expert(self, expert: str, without: Iterable[str] = ()) -> Tree:
        """What lies under an expert's own path, less the paths `without`."""
        paths: Tree = {}
        for path, item in self.whole["paths"].items():
            inner = path.removeprefix(EXPERT)
            if inner != path and inner not in without:
                paths[inner] = copy.deepcopy(item)
        for operation in (one for item in paths.values() for one in item.values()):
            known = [p for p in operation["parameters"] if p.get("name") != "expert"]
            operation["parameters"] = known
        about = {**self.whole["info"], "title": f"Coterie: {expert}"}
        return {**self.whole, "info": about, "servers": [{"url": f"/e/{expert}"}], "paths": paths}

    def _operation(self, route: APIRoute) -> Tree:
        found: Tree = copy.deepcopy(route.openapi_extra or {})
        about = inspect.getdoc(route.endpoint) or ""
        guarded = self._locked and is_guarded(route.path_format)
        if guarded:
            found["security"] = [{"key": []}]
            found["responses"] |= _refusals(route, "401")
        parameters = [{"$ref": "#/components/parameters/x-request-id"}]
        if self._takes_keys(route):
            found["responses"] |= _refusals(route, "409", "422")
            parameters.append({"$ref": "#/components/parameters/Idempotency-Key"})
        for content in found.get("requestBody", {}).get("content", {}).values():
            if content.get("example", {}).get("model") == MODEL:
                content["example"]["model"] = self._some_model()
        return {
            "tags": list(route.tags),
            "summary": about.partition("\n")[0],
            "description": about,
            "operationId": route.unique_id,
            "parameters": [*self._parameters(route.path_format), *parameters],
            **found,
        }

    def _takes_keys(self, route: APIRoute) -> bool:
        """Whether a request there may have an `Idempotency-Key`."""
        wanted = self._config.server.idempotency is not None
        return wanted and "POST" in route.methods and route.path_format.endswith(ENDPOINTS)

    @property
    def _models(self) -> list[str]:
        """What may be asked; whoever reads the document has no key, where there are keys."""
        config = self._config
        return [] if self._locked else [*config.compositions, *config.answering]

    def _named(self, schemas: Tree) -> Tree:
        """The schemas, with the models that there are."""
        for kind in ASKING:
            model = schemas[kind.__name__]["properties"]["model"]
            model |= {"anyOf": [_one_of(self._models), _MADE_UP]}
        return schemas

    def _some_model(self) -> str:
        return next(iter(self._models), MODEL)

    def _parameters(self, path: str) -> list[Tree]:
        """Those in the path, with what they may be."""
        named = bool(self._models)
        known: Mapping[str, Iterable[str]] = {
            "expert": self._config.experts if named else (),
            "name": self._config.routers if named else (),
            "model": [*self._models, EMBEDDING_MODEL] if named else (),
        }
        return [
            {"name": name, "in": "path", "required": True, "schema": _one_of(known.get(name, ()))}
            for name in _PARAMETER.findall(path)
        ]


def _refusals(route: APIRoute, *statuses: str) -> Tree:
    """Errors of the gates around the endpoint, in the shape that its clients know."""
    if ANTHROPIC in route.tags:
        worded = all_errors(AnthropicErrorBody)
        return {status: worded[status] for status in statuses}
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _one_of(names: Iterable[str]) -> Tree:
    return {**_TEXT, "enum": found} if (found := list(names)) else {**_TEXT, "minLength": 1}


def _schemas() -> Tree:
    read = [(kind.__name__, READ, TypeAdapter(kind)) for kind in REQUESTS]
    sent = [(kind.__name__, SENT, TypeAdapter(kind)) for kind in ANSWERS]
    _, found = TypeAdapter.json_schemas([*read, *sent], ref_template=SCHEMAS + "{model}")
    schemas: Tree = found["$defs"]
    return schemas


def _headers() -> Tree:
    numbers = {name for name in HEADERS if name.endswith("-ms")}
    headers: Tree = {
        name: {"description": about, "schema": {"type": "number"} if name in numbers else _TEXT}
        for name, about in HEADERS.items()
    }
    headers["x-request-id"] = {"description": "The request's id.", "schema": _TEXT}
    wait = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
    return headers | {"retry-after": wait}
