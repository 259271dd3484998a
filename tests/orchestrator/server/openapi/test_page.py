"""The page of the OpenAPI document: everything on it, nothing from elsewhere, nothing unescaped."""

from html import escape
from typing import Any

from orchestrator.server.openapi.page import page_of


async def test_the_page_shows_every_endpoint_and_type_without_a_network(gateway: Any) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    answer = await gateway.http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for path, item in document["paths"].items():
        assert all(f"<b>{method.upper()} {path}</b>" in answer.text for method in item)
    for name, schema in document["components"]["schemas"].items():
        assert f'<h3 id="{name}">' in answer.text
        for field, one in schema.get("properties", {}).items():
            assert f"<code>{field}</code>" in answer.text
            assert escape(one.get("description", "")) in answer.text
    for loaded in ("<script", "<link", "<img", "http:", "https:", "//"):
        assert loaded not in answer.text


def test_names_of_a_configuration_are_no_markup() -> None:
    evil = "<b onclick=x>&"
    field = {"anyOf": [{"type": "string", "enum": [evil]}, {"type": "null"}], "description": evil}
    document = {
        "info": {"title": evil, "version": "1", "description": evil},
        "paths": {},
        "components": {"schemas": {"A": {"properties": {evil: field}}}, "responses": {}},
    }
    assert evil not in page_of(document)
    assert "&lt;b onclick=x&gt;&amp;" in page_of(document)
