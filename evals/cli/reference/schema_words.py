"""A JSON Schema in words that fit into a table: types, bounds, defaults. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

COLUMNS = ("key", "type", "default", "meaning")
TYPES = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
    "array": "list",
}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def words(schema: Schema) -> str:
    """The type of a value, with its bounds."""
    if "$ref" in schema:
        return "mapping"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if (choices := schema.get("anyOf") or schema.get("oneOf")) is not None:
        return " or ".join(dict.fromkeys(words(choice) for choice in choices))
    kind = TYPES.get(str(schema.get("type", "")), "anything")
    if kind == "mapping" and (inner := _values(schema)) is not None:
        return f"name -> {words(inner)}"
    if kind == "list" and isinstance(schema.get("items"), Mapping) and schema["items"]:
        return f"list of {words(schema['items'])}"
    bounds = [f"{sign} {schema[name]:g}" for name, sign in BOUNDS.items() if name in schema]
    return " ".join([kind, ", ".join(bounds)]).strip()


def nested(schema: Schema) -> tuple[str, str] | None:
    """The one model that a value is made of, and what its place adds to the key; else None."""
    if (name := _name(schema)) is not None:
        return name, ""
    found = [nested(choice) for choice in schema.get("anyOf", ())]
    if models := [model for model in found if model is not None]:
        return models[0]
    if (inner := _values(schema)) is not None and (model := nested(inner)) is not None:
        return model[0], f".NAME{model[1]}"
    if isinstance(schema.get("items"), Mapping) and (model := nested(schema["items"])) is not None:
        return model[0], f"[]{model[1]}"
    return None


def choices(schema: Schema) -> list[str]:
    """The models of which a value, or each value of a mapping, is one."""
    inner = _values(schema) or schema
    return [model for choice in inner.get("oneOf", ()) if (model := _name(choice)) is not None]


def shown_default(schema: Schema) -> str:
    """The default as YAML spells it; that of a nested model is said in its own section."""
    default = schema.get("default", "")
    if default == "" or (isinstance(default, Mapping) and nested(schema) is not None):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def description(schema: Schema) -> str:
    """What the code says of a key or a model, on one line."""
    return " ".join(str(schema.get("description", "")).split())


def anchor(title: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def table(rows: Sequence[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> str:
    """Rows as Markdown; a bar in a cell is escaped."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _name(schema: Schema) -> str | None:
    return str(schema["$ref"]).rpartition("/")[2] if "$ref" in schema else None


def _values(schema: Schema) -> Schema | None:
    """What the values of a mapping with free names are."""
    patterns = schema.get("patternProperties") or {}
    inner = next(iter(patterns.values()), schema.get("additionalProperties"))
    return inner if isinstance(inner, Mapping) else None
