"""Where two configurations differ."""

from __future__ import annotations

import pytest

from leadbench.core.differences import differing


@pytest.mark.parametrize(
    ("stored", "wanted", "names"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c"]),
        ({"a": {"b": 1}}, {"a": 3}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, ["a", "b"]),
        (1, 2, ["configuration"]),
    ],
)
def test_names(stored: object, wanted: object, names: list[str]) -> None:
    assert differing(stored, wanted) == names
    assert differing(wanted, stored) == names
