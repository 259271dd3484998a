"""The roles of a trained Mixture of Thoughts."""

from __future__ import annotations

import pytest

from aggregators.mixture_of_thoughts.save import all_roles, role_name
from experts.errors import ConfigError


def test_roles_are_all_pairs_of_a_primary_and_its_peers() -> None:
    roles = all_roles(("a", "b", "c"), ("a", "b", "c"), 2, room=9)
    assert [role["name"] for role in roles] == [
        *("a+b", "a+c", "b+a", "b+c", "c+a", "c+b", "a", "b", "c")
    ]
    assert roles[1]["active"] == ["a", "c"]
    heard = all_roles(("a", "b", "c"), ("a", "c"), 3, room=9)
    assert [role["name"] for role in heard] == ["a+b+c", "c+a+b", "a", "c"]
    assert role_name("b", ("c", "a")) == "b+a+c"
    with pytest.raises(ConfigError, match=r"make 66 roles; there is room for 65"):
        all_roles("abcdef", "abcdef", 3, room=65)
