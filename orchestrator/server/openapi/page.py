"""The OpenAPI document as one page of HTML: no scripts, and nothing from another server."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from orchestrator.server.openapi.operations import SCHEMAS

Tree = Mapping[str, Any]
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
summary { cursor: pointer; padding: .3rem 0 } summary b { font-family: monospace }
table { border-collapse: collapse; margin: .5rem 0 1rem; width: 100% }
td { border-top: 1px solid #ccc; padding: .2rem .6rem .2rem 0; vertical-align: top }
pre { background: #f4f4f4; overflow: auto; padding: .6rem } code { white-space: nowrap }
"""
_BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "more than"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "less than"),
    ("minItems", "items: at least"),
    ("maxItems", "items: at most"),
    ("minLength", "characters: at least"),
    ("maxLength", "characters: at most"),
)


def page_of(document: Tree) -> str:
    """The page."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return "\n".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>",
            f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(info['description'])}</p>",
            '<p>For programs: <a href="openapi.json">openapi.json</a>.</p><h2>Endpoints</h2>',
            *_operations(document),
            "<h2>Types</h2>",
            *_schemas(document["components"]["schemas"]),
            "</html>",
        ]
    )


def _operations(document: Tree) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            about = escape(operation["summary"])
            yield f"<details><summary><b>{method.upper()} {escape(path)}</b> {about}</summary>"
            more = operation["description"].removeprefix(operation["summary"]).strip()
            yield f"<p>{escape(more)}</p>" if more else ""
            body = operation.get("requestBody", {}).get("content", {})
            yield from (_content("Body", kind, content) for kind, content in body.items())
            for status, answer in operation["responses"].items():
                yield from _response(document, status, answer)
            yield "</details>"


def _response(document: Tree, status: str, answer: Tree) -> Iterator[str]:
    known = document["components"]["responses"]
    answer = known[status] if "$ref" in answer else answer
    yield f"<p><b>{status}</b> {escape(answer['description'])}</p>"
    if status == "200":
        yield from (_content("Answer", k, content) for k, content in answer["content"].items())


def _content(what: str, kind: str, content: Tree) -> str:
    shown = _kind(content.get("itemSchema") or content["schema"])
    example = content.get("example")
    lines = "" if example is None else f"<pre>{escape(json.dumps(example, indent=2))}</pre>"
    return f"<p>{what}, <code>{escape(kind)}</code>: {shown}</p>{lines}"


def _schemas(schemas: Tree) -> Iterator[str]:
    for name, schema in schemas.items():
        about = escape(schema.get("description", ""))
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{about}</p><table>'
        required = schema.get("required", ())
        for field, one in schema.get("properties", {}).items():
            mark = " (required)" if field in required else ""
            said = escape(one.get("description", ""))
            yield f"<tr><td><code>{escape(field)}</code>{mark}<td>{_kind(one)}<td>{said}</tr>"
        yield "</table>"


def _kind(schema: Tree) -> str:
    """A type in a few words; names of the document's own types are links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(SCHEMAS))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema and "properties" not in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "contentSchema" in schema:
        return _kind(schema["contentSchema"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    bounds = [f"{words} {schema[name]}" for name, words in _BOUNDS if name in schema]
    kind = escape(str(schema.get("type", "anything")))
    if kind == "array":
        kind = f"list of ({_kind(schema.get('items', {}))})"
    elif set(schema.get("properties", ())) in ({"data"}, {"event", "data"}):
        kind = f"events with {_kind(schema['properties']['data'])}"
    return f"{kind}{' (' + ', '.join(bounds) + ')' if bounds else ''}"
