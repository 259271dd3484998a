"""The chat template of a fused folder: the members' own, with a role token in front."""

import json
import re
from collections.abc import Mapping

_TEMPLATE = """\
{%- set coterie_tokens = TOKENS -%}
{%- set coterie_role = DEFAULT if role is not defined or role is none else role -%}
{%- if coterie_role is not string or coterie_role not in coterie_tokens -%}
{{- raise_exception("There is no role " ~ coterie_role ~ "; the roles are: NAMES.") -}}
{%- endif -%}
{%- set coterie_text %}MEMBERS{% endset -%}
{%- if coterie_text[:LENGTH] != FIRST -%}
{{- raise_exception("The members' chat template does not start with " ~ FIRST ~ " here.") -}}
{%- endif -%}
{{- coterie_tokens[coterie_role] ~ coterie_text[LENGTH:] -}}
"""


def with_role(template: str, first: str, tokens: Mapping[str, str]) -> str:
    """Let `chat_template_kwargs: {"role": NAME}` put a role's token in the place of `first`.

    Args:
        template: the members' chat template, whose text starts with the token `first`.
        first: such as <|bos|>.
        tokens: role -> its token; the first role is the default.

    The engine answers an unknown role with HTTP 400 and the names of those that there are.

    """
    parts = {
        "TOKENS": json.dumps(dict(tokens)),
        "DEFAULT": json.dumps(next(iter(tokens))),
        "NAMES": ", ".join(tokens),
        "LENGTH": str(len(first)),
        "FIRST": json.dumps(first),
        # Jinja drops the newline at the end of a template, but not that of a part of one.
        "MEMBERS": template.removesuffix("\n"),
    }
    return re.sub(r"\b[A-Z]+\b", lambda found: parts[found.group()], _TEMPLATE)
