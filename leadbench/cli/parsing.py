"""Parsers of the values that options take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from leadbench.core.device import AUTO
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.tasks.shared.units import Share

Number = TypeVar("Number", int, float)


def parse_chunk(text: str) -> int | None:
    """``--chunk``: a number of at least 1, or ``auto`` for what suits the device.

    Raises:
        ConfigError: something else.

    >>> parse_chunk("64"), parse_chunk("auto")
    (64, None)
    """
    return None if text == AUTO else _at_least_one(text, "--chunk")


def parse_batch(text: str) -> int | None:
    """``--batch``: a number of at least 1, or ``auto`` for the preset's, halved where memory runs out.

    Raises:
        ConfigError: something else.
    """
    return None if text == AUTO else _at_least_one(text, "--batch")


def _at_least_one(text: str, option: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{option} {text}: must be a whole number of at least 1, or {AUTO}")
    return int(text)


def parse_checkpoints(values: list[str] | None) -> dict[str, Path]:
    """Parse ``NAME=FILE``.

    Raises:
        ConfigError: no name or no file.

    >>> parse_checkpoints(["mld=a.ckpt"])
    {'mld': PosixPath('a.ckpt')}
    """
    found: dict[str, Path] = {}
    for value in values or []:
        name, _, file = value.partition("=")
        if not name or not file:
            raise ConfigError(f"--checkpoint {value}: must be NAME=FILE, such as mld=mld_humanml3d.ckpt")
        found[name] = Path(file)
    return found


def parse_encoders(values: list[str] | None) -> dict[str, str]:
    """Parse ``NAME`` or ``BACKBONE=NAME``; a name alone speaks to every backbone and stands under an empty key.

    Raises:
        ConfigError: an empty name.

    >>> parse_encoders(["clip", "mld=minilm"])
    {'': 'clip', 'mld': 'minilm'}
    """
    found = {}
    for value in values or []:
        backbone, equals, name = value.rpartition("=")
        if not name or (equals and not backbone):
            raise ConfigError(f"--text-encoder {value}: must be NAME or BACKBONE=NAME, such as mld=minilm")
        found[backbone] = name
    return found


def parse_part(text: str | None) -> Share:
    """Parse ``--part``: ``K/N``, K from 1 to N; None is the whole.

    Raises:
        ConfigError: something else.

    >>> parse_part("2/8"), parse_part(None)
    (Share(number=2, of=8), Share(number=1, of=1))
    """
    if text is None:
        return Share()
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ConfigError(f"--part {text}: must be K/N with K from 1 to N, such as 1/8")
    return Share(int(number), int(of))


def parse_names(text: str, option: str = "--backbone") -> tuple[str, ...]:
    """Parse names separated by commas.

    Raises:
        ConfigError: there is none.

    >>> parse_names("mld, motionlcm")
    ('mld', 'motionlcm')
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ConfigError(f"{option} {text!r}: no name given")
    return names


def parse_metrics(values: list[str] | None) -> tuple[str, ...]:
    """Parse the values of ``--metric``: names separated by commas, the option given any number of times.

    >>> parse_metrics(["kid,prdc", "jerk"]), parse_metrics(None)
    (('kid', 'prdc', 'jerk'), ())
    """
    return tuple(name for value in values or () for name in parse_names(value, "--metric"))


def parse_numbers(text: str, kind: type[Number], option: str) -> list[Number]:
    """Parse ``1,2,4``.

    Raises:
        ConfigError: not a comma-separated list of numbers.

    >>> parse_numbers("1,2,4", int, "--steps")
    [1, 2, 4]
    """
    try:
        values = [kind(part) for part in text.split(",") if part.strip()]
        if not all(math.isfinite(value) for value in values):
            raise ValueError(text)
    except (ValueError, OverflowError) as exc:
        raise ConfigError(f"{option} {text!r}: must be numbers separated by commas, such as 1,2,4") from exc
    if not values:
        raise ConfigError(f"{option}: no value given")
    return values


def parse_steps(text: str | None) -> dict[str | None, list[int]]:
    """Parse ``--steps``: ``1,2,4`` speaks to few-step backbones (key None), ``mld=10,50`` to one by name.

    Several parts are separated by semicolons or spaces.

    Raises:
        ConfigError: not whole numbers of at least 1.

    >>> parse_steps("1,2,4;mld=10,50")
    {None: [1, 2, 4], 'mld': [10, 50]}
    """
    steps: dict[str | None, list[int]] = {}
    for part in (text or "").replace(";", " ").split():
        name, equals, values = part.rpartition("=")
        numbers = parse_numbers(values, int, "--steps")
        if min(numbers) < 1:
            raise ConfigError(f"--steps {part}: steps must be at least 1")
        steps[name if equals else None] = numbers
    return steps


def parse_losses(text: str, known: Mapping[str, object] | tuple[str, ...]) -> tuple[Any, ...]:
    """Parse names of losses separated by commas.

    Raises:
        UnknownNameError: there is no such loss.
    """
    chosen = parse_names(text, "--losses")
    for loss in chosen:
        if loss not in known:
            raise unknown_name("loss", loss, known, where="--losses")
    return chosen
