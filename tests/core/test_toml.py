"""TOML as people write it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError
from leadbench.core.toml import flat, parse_value, read_toml


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_byte_order_mark_and_line_ends(before: bytes, line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(before + line.join([b"[loop]", b"steps = 3", b'name = "\xc3\xa9"', b""]))
    assert read_toml(path) == {"loop": {"steps": 3, "name": "é"}}


@pytest.mark.parametrize(
    "content", [b"steps = ", b"a = 1\na = 2", b"a = 9999-99-99", b"\xff\xfe", b"x = " + b"[" * 5000, b"a = 1\x00"]
)
def test_what_is_no_toml_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"^--config: "):
        read_toml(path, "--config")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml"):
        read_toml(tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("[1, 2]", [1, 2]),
        ('"3"', "3"),
        ("{ a = 1 }", {"a": 1}),
        ("2024-01-02", datetime.date(2024, 1, 2)),
        ("last", "last"),
        ("a = 1", "a = 1"),
        ("", ""),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_flat() -> None:
    assert list(flat({"a": {"b": {"c": 1}, "d": []}, "e": None})) == [("a.b.c", 1), ("a.d", []), ("e", None)]
