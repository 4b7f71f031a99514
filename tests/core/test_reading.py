"""Files as other tools write them: read, or refused in one line that names file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadbench.core.errors import DataError, WeightsError
from leadbench.core.reading import parse_json, read_array, read_json_object, read_lines, read_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xef\xbb\xbfa\nb", "a\nb"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"a\rb", "a\nb"),
        ("ä\u2028b\x85c\x1cd".encode(), "ä\u2028b\x85c\x1cd"),  # no line ends, whatever str.splitlines says
    ],
)
def test_text_of_other_editors(tmp_path: Path, raw: bytes, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    assert read_text(path) == text
    assert [number for number, _ in read_lines(path)] == [
        n for n, line in enumerate(text.split("\n"), 1) if line.strip()
    ]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a\nä".encode("latin-1"), r"a\.txt:2: not UTF-8 \(byte 0xe4"),
        ("a".encode("utf-16"), "is UTF-16; needed: UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    with pytest.raises(WeightsError, match=words):
        read_text(path, WeightsError)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, tmp_path / ("x" * 5000), Path("a\0b")):
        with pytest.raises(DataError, match="cannot be read"):
            read_text(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "NaN", "[Infinity]", "1e999", "\x00", "", '{"a": 1e400}'])
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(DataError, match=r"^x: not JSON \([^\n]*\)$"):
        parse_json(text, "x")


def test_an_object_is_needed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("\ufeff[1]")
    with pytest.raises(DataError, match=r"holds list; needed: an object"):
        read_json_object(tmp_path / "a.json")


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    values = np.arange(6, dtype=">f8").reshape(2, 3)
    np.save(path, np.asfortranarray(values))
    np.testing.assert_array_equal(read_array(path), values)
    read_array(path)[0, 0] = 5  # not the file itself
    np.testing.assert_array_equal(read_array(path), values)


def header(text: str) -> bytes:
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK\x03\x04",
        b"\x93NUMPY",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': ("),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + b"\x80\x04N.",
        header("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }") + bytes(8),
        header("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + bytes(4),
    ],
)
def test_arrays_that_are_none_take_no_memory(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.npy: [^\n]*$"):
        read_array(path)
