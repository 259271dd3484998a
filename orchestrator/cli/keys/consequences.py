"""What making or revoking a key means for everybody else. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

Keys = Sequence[Mapping[str, Any]]
"""All that there are, as they are listed."""
MAKE = "`coterie key create NAME --admin`, with the service's configuration"


def of_making(before: Keys, *, admin: bool) -> str:
    """What to say of a new key; nothing of one beside others that open the service."""
    if any(one["revoked"] is None for one in before):
        return ""
    words = [] if before else ["every request to the service needs a key from now on."]
    if not admin:
        words.append(f"Nobody may administer the service: make a key for yourself by {MAKE}.")
    return " ".join(words)


def of_revoking(before: Keys, name: str) -> str:
    """What to say of a key that is gone; nothing where an administrator's is left."""
    left = [one for one in before if one["revoked"] is None and one["name"] != name]
    if not left:
        return (
            "it was the last key. The service stays shut, and answers nobody from now on:"
            f" make another one by {MAKE}."
        )
    was = next((one for one in before if one["name"] == name), None)
    if was is None or not was["terms"].get("admin") or any(o["terms"].get("admin") for o in left):
        return ""
    return f"it was the last administrator's key: make another one by {MAKE}."
