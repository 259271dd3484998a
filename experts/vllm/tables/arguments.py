"""vLLM's engine arguments by name and type, from a table: a check costs no import of vLLM.

`python -m experts.vllm.tables` writes the table, arguments.json, anew for another version.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from experts.vllm.tables.models import others_add

TABLE = Path(__file__).with_name("arguments.json")
Kind = Literal["flag", "integer", "number", "suffix", "auto", "text", "mapping", "null"]
"""What a value may be; `suffix`: an integer such as 8k, `auto`: that word."""

_TLS = "clients reach the service, not its slots; put a proxy with TLS before it"
_CORS = "browsers reach the service, not its slots; put a proxy that adds CORS headers before it"
OURS: Mapping[str, str] = {
    "model": "`model` of the expert says what is loaded",
    "served_model_name": "an expert is served under its name in `experts`",
    "lora_modules": "an adapter is an expert of its own, with `adapter_of`",
    "enable_lora": "it follows from the experts with `adapter_of`",
    "max_loras": "it follows from the experts with `adapter_of`",
    "max_lora_rank": "it follows from the experts with `adapter_of`",
    "host": "`server.host` says where the service listens",
    "port": "`server.port` says where the service listens",
    "uds": "`server.host` and `server.port` say where the service listens",
    "api_key": "`server.api_keys` says who may use the service",
    "ssl_keyfile": _TLS,
    "ssl_certfile": _TLS,
    "ssl_ca_certs": _TLS,
    "allow_credentials": _CORS,
    "allowed_origins": _CORS,
    "allowed_methods": _CORS,
    "allowed_headers": _CORS,
    "root_path": "each expert has its own path, /e/NAME",
    "enable_sleep_mode": "`slots.sleep_level` says how experts leave a GPU",
    "enable_tokenizer_info_endpoint": "it is always on",
    "disable_uvicorn_access_log": "`coterie serve --log-level` says what is logged",
    "uvicorn_log_level": "`coterie serve --log-level` says what is logged",
    "config": "write the keys of that file here",
    "headless": "a slot serves its experts itself",
    "api_server_count": "a slot serves its experts itself",
}
"""Arguments that a configuration must not set, each with where it is set instead."""
_SUFFIXED = re.compile(r"\d+(\.\d+)?[kmgt]|\d+[KMGT]?")
"""As vLLM reads sizes: fractions of thousands, no other ones."""
_INTEGER, _NUMBER = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ADDED_BY: Mapping[str, str] = {
    "tool_call_parser": "tool_parser_plugin",
    "reasoning_parser": "reasoning_parser_plugin",
}
"""Arguments whose choices a file that another one names adds to."""
_WORDS: Mapping[Kind, str] = {
    "flag": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "suffix": "a whole number with a suffix such as 8k",
    "auto": "`auto`",
    "text": "a text",
    "mapping": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """What vLLM takes for one argument."""

    takes: tuple[Kind, ...]
    many: bool = False
    """A list of such values."""
    choices: tuple[str, ...] = ()
    """The texts that there are, where they are bound."""
    open: bool = False
    """Whether plugins of vLLM may add to the choices."""

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value of the configuration, beginning with `must`."""
        values = value if self.many and isinstance(value, list) and value else [value]
        if all(self._takes(one) for one in values):
            return None
        if self.choices:
            near = difflib.get_close_matches(str(value), self.choices, n=1)
            meant = f". Did you mean `{near[0]}`?" if near else ""
            return f"must be one of {', '.join(self.choices)}{meant}"
        must = " or ".join(_WORDS[kind] for kind in self.takes if kind in _WORDS)
        return f"must be {'a list, or ' if self.many else ''}{must}"

    def _takes(self, value: Any) -> bool:
        if isinstance(value, bool):
            return "flag" in self.takes
        if value is None:
            return "null" in self.takes
        if isinstance(value, Mapping):
            return "mapping" in self.takes
        if isinstance(value, list):
            return False
        # vLLM reads words, as on its command line: a text may say a number, and a number a text.
        return self._takes_word(str(value))

    def _takes_word(self, word: str) -> bool:
        if self.choices:
            # Registries fold capitals.
            return word in self.choices or (
                self.open and (word.lower() in self.choices or others_add())
            )
        return (
            "text" in self.takes
            or ("integer" in self.takes and bool(_INTEGER.fullmatch(word)))
            or ("number" in self.takes and bool(_NUMBER.fullmatch(word)))
            or ("suffix" in self.takes and bool(_SUFFIXED.fullmatch(word)))
            or ("auto" in self.takes and word == "auto")
        )


@cache
def table() -> tuple[str, Mapping[str, Argument]]:
    """The version of vLLM that the table is of, and its arguments by name."""
    tree = json.loads(TABLE.read_text(encoding="utf-8"))
    return tree["vllm"], {
        name: Argument(
            tuple(entry["takes"]),
            entry.get("many", False),
            tuple(entry.get("choices", ())),
            entry.get("open", False),
        )
        for name, entry in tree["arguments"].items()
    }


def faults(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each argument that cannot be right, with what is wrong, as a clause without a full stop."""
    names = {str(name).replace("-", "_") for name in arguments}
    found = ((str(name), _fault(str(name), value, names)) for name, value in arguments.items())
    return [(name, fault) for name, fault in found if fault is not None]


def _fault(given: str, value: Any, beside: AbstractSet[str]) -> str | None:
    version, known = table()
    name, dot, _ = given.replace("-", "_").partition(".")
    if _ADDED_BY.get(name) in beside:
        return None
    if name in OURS:
        return f"Coterie sets this argument of vLLM: {OURS[name]}"
    argument = known.get(name)
    if argument is None:
        return f"vLLM {version} has no such argument{_suggestion(name, tuple(known))}"
    if dot:  # One key of an argument that is a mapping.
        return None if "mapping" in argument.takes else f"`{name}` is not a mapping"
    return argument.fault(value)


def _suggestion(name: str, known: Sequence[str]) -> str:
    positive = name.removeprefix("no_")
    if positive != name and positive in known:
        return f". Write `{positive}: false`"
    others = [one for one in known if one not in OURS]
    near = [one for one in others if one.startswith(f"{name}_")]
    near = near if len(near) == 1 else difflib.get_close_matches(name, others, n=1)
    return f". Did you mean `{near[0]}`?" if near else ""
