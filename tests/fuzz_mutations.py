"""Changes to the bytes of a file as broken disks, other tools and careless people make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

TOKENS = (
    b"",
    b"nan",
    b"NaN",
    b"Infinity",
    b"-inf",
    b"1e999",
    b"-1",
    b"0",
    b"1e-9",
    b"999999999999999999999999",
    b"1099511627776",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xe9",
    b"\xf0\x9f\x95\xba",
    b"../../x",
    b"/etc/passwd",
    b"#",
    b"##",
    b"/",
    b"//",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"'",
    b'"',
    b"\\",
    b"[" * 3000,
    b'{"a":' * 2000,
    b"a" * 5000,
    b"9" * 5000,
    b"=",
    b"~nobody/x",
    b"0000-00-00",
    b"(",
    b",",
    b":",
    b"-",
    b"\x1c",
    b"\x85",
    b"\xe2\x80\xa8",
)
"""What has broken readers of text."""

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _place(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 1, 2, 4, 8, 32, 256, 4096)))


def flip(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Some bits."""
    raw = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if raw else 0):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def delete(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A piece."""
    start, stop = _place(data, rng)
    return data[:start] + data[stop:]


def repeat(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A piece, several times."""
    start, stop = _place(data, rng)
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 50)) + data[stop:]


def cut(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """The end off."""
    return data[: rng.randrange(len(data) + 1)]


def insert(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A token anywhere."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.choice(TOKENS) + data[start:]


def overwrite(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A piece by a token or by random bytes."""
    start, stop = _place(data, rng)
    return data[:start] + (rng.choice(TOKENS) if rng.random() < 0.6 else rng.randbytes(stop - start)) + data[stop:]


def number(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """A number, a word or a string by a token: what is still well-formed goes deeper."""
    places = [i for i in range(len(data)) if data[i : i + 1].isalnum() and not data[i - 1 : i].isalnum()]
    if not places:
        return insert(data, rng, others)
    start = rng.choice(places)
    stop = start
    while stop < len(data) and (data[stop : stop + 1].isalnum() or data[stop : stop + 1] in b".-_"):
        stop += 1
    return data[:start] + rng.choice(TOKENS) + data[stop:]


def lines(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Lines lost, twice, or in another order."""
    found = data.split(b"\n")
    one, two = rng.randrange(len(found)), rng.randrange(len(found))
    how = rng.randrange(4)
    if how == 0:
        del found[one]
    elif how == 1:
        found.insert(two, found[one])
    elif how == 2:
        found[one], found[two] = found[two], found[one]
    else:
        found[one] = rng.choice(TOKENS)
    return b"\n".join(found)


def encoding(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """As another editor saves it."""
    text = data.decode("latin-1")
    return rng.choice(
        (
            b"\xef\xbb\xbf" + data,
            data.replace(b"\n", b"\r\n"),
            data.replace(b"\n", b"\r"),
            text.encode("utf-16"),
            text.encode("utf-16-le"),
            data.replace(b"a", "ä".encode("latin-1")),
            data.replace(b" ", b"\xc2\xa0"),
        )
    )


def other(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Another file's content, or nothing, or noise."""
    return rng.choice(
        (*others, b"", b"\n", b"{}", b"[]", b"null", b"0", rng.randbytes(300), b"PK\x03\x04", b"\x93NUMPY")
    )


def crossed(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """One half of this, one of another file."""
    second = rng.choice(others) if others else b""
    return data[: rng.randrange(len(data) + 1)] + second[rng.randrange(len(second) + 1) :]


MUTATIONS: tuple[Mutation, ...] = (
    flip,
    flip,
    delete,
    repeat,
    cut,
    insert,
    insert,
    overwrite,
    overwrite,
    number,
    number,
    number,
    lines,
    encoding,
    other,
    crossed,
)


def mutated(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """One to three changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(data, rng, others)
    return data
