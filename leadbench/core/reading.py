"""Reading files as other tools write them: one line for whatever is wrong, never a traceback.

Text may begin with a byte order mark and end its lines in any way; arrays are looked at before memory is taken for
them. Every reader of the package goes through here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from leadbench.core.errors import DataError, LeadbenchError

MOST_TEXT = 1 << 28
"""Bytes of the largest text file that is read whole; more is no caption, card or split."""


def read_text(path: Path, error: type[LeadbenchError] = DataError, where: object = None) -> str:
    """Text of a file, without a byte order mark; line ends become ``\\n``.

    Args:
        path: the file.
        error: what is raised.
        where: begins the message; default: the path.

    Raises:
        error: it cannot be read, is not UTF-8 (the message names the line), or is too large to be text.
    """
    here = where or path
    try:
        if path.stat().st_size > MOST_TEXT:
            raise error(f"{here}: larger than {MOST_TEXT >> 20} MiB, which no text file here is")
        raw = path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a null byte in the path
        raise error(f"{here}: cannot be read ({reason(exc)})") from exc
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise error(f"{here}: is UTF-16; needed: UTF-8 (save it as UTF-8, or: iconv -f utf-16 -t utf-8)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise error(
            f"{here}:{line}: not UTF-8 (byte 0x{raw[exc.start]:02x}; save it as UTF-8, or, where it is Latin-1: "
            f"iconv -f latin1 -t utf-8)"
        ) from exc
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, error: type[LeadbenchError] = DataError) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file that hold something, stripped; raises as :func:`read_text`."""
    for number, line in enumerate(read_text(path, error).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def parse_json(text: str, where: object, error: type[LeadbenchError] = DataError) -> Any:
    """What JSON text holds.

    Raises:
        error: it is not JSON, nests too deeply, or holds numbers that JSON does not have (NaN, Infinity).
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as exc:
        raise error(f"{where}: not JSON ({reason(exc)})") from exc


def read_json(path: Path, error: type[LeadbenchError] = DataError) -> Any:
    """What a JSON file holds; raises as :func:`read_text` and :func:`parse_json`."""
    return parse_json(read_text(path, error), path, error)


def read_json_object(path: Path, error: type[LeadbenchError] = DataError) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        error: as :func:`read_json`, or it holds something else.
    """
    found = read_json(path, error)
    if not isinstance(found, dict):
        raise error(f"{path}: holds {type(found).__name__}; needed: an object {{...}}")
    return found


def read_array(path: Path, error: type[LeadbenchError] = DataError) -> NDArray[Any]:
    """An array of real numbers from a ``.npy`` file.

    The file is mapped first, so that a header that promises more than the file holds takes no memory.

    Raises:
        error: it cannot be read, or holds no real numbers.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        if magic[:4] == b"PK\x03\x04":
            raise error(f"{path}: is an .npz archive of several arrays; needed: one array (.npy)")
        if not magic:
            raise error(f"{path}: is empty; needed: one array (.npy)")
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        array: NDArray[Any] = np.array(mapped)
    except LeadbenchError:
        raise
    except Exception as exc:  # a broken header makes NumPy raise anything, from MemoryError to SyntaxError
        raise error(f"{path}: not a readable .npy array ({reason(exc)})") from exc
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise error(f"{path}: holds {array.dtype}; needed: real numbers")
    return array


def reason(error: BaseException, most: int = 200) -> str:
    """What is wrong, in one line: the message of an error without its path, or its kind where it says nothing.

    >>> reason(ValueError("two\\nlines"))
    'two lines'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = "".join(c if c.isprintable() else " " for c in str(error))
    return " ".join(text.split())[:most] or type(error).__name__


def first_problem(error: ValidationError) -> str:
    """Where and what the first thing is that a model refuses.

    >>> from leadbench.core.config import LoopConfig
    >>> try:
    ...     LoopConfig(steps="x")
    ... except ValidationError as refused:
    ...     print(first_problem(refused).partition(",")[0])
    steps: Input should be a valid integer
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {reason(ValueError(first['msg']))}" if where else reason(ValueError(first["msg"]))


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is out of range")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
