"""Changes to a preset by name: ``--set projector.align_weight=1.0``, or a TOML file of such values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from leadbench.core.errors import ConfigError, nearest
from leadbench.core.presets import Preset
from leadbench.core.toml import flat, parse_value, read_toml

_FIXED = ("name", "overrides")  # of a preset, which nobody sets


def override(preset: Preset, stage: str, assignments: Sequence[str] = (), file: Path | None = None) -> Preset:
    """A preset with changed values; its ``overrides`` hold what was changed.

    Args:
        stage: that keys without a stage's name speak of: ``loop.steps`` is ``STAGE.loop.steps``.
        assignments: ``KEY=VALUE``, where a value is TOML, or else text; they win over the file.
        file: TOML with the same keys, as tables or dotted.

    Raises:
        ConfigError: no such key or file, or a value that does not fit.

    >>> from leadbench.core.presets import get_preset
    >>> changed = override(get_preset("tiny"), "projector", ["align_weight=0.5", "diffusion.loop.steps=7"])
    >>> changed.projector.align_weight, changed.diffusion.loop.steps, changed.overrides
    (0.5, 7, {'projector.align_weight': 0.5, 'diffusion.loop.steps': 7})
    """
    changes: dict[str, Any] = {}
    content = preset.model_dump(mode="json")
    for key, value, where in (*_of_file(file), *map(_assignment, assignments)):
        changes[_put(content, _full_key(key, stage, content), value, where)] = value
    if not changes:
        return preset
    content["overrides"] = {**preset.overrides, **changes}
    try:
        return Preset.model_validate(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"--set {name}: {first['msg']} (given: {changes.get(name, first['input'])!r})") from exc


def preset_toml(preset: Preset) -> str:
    """A preset as TOML to start from; given back as a file it changes nothing."""
    content = preset.model_dump(mode="json", exclude_none=True, exclude=set(_FIXED))
    return tomli_w.dumps(content)


def _of_file(file: Path | None) -> Iterator[tuple[str, Any, str]]:
    if file is None:
        return
    content = read_toml(file, f"--config {file}")
    yield from ((key, value, f"--config {file}: {key}") for key, value in flat(content))


def _assignment(text: str) -> tuple[str, Any, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: must be KEY=VALUE, such as loop.steps=500")
    return key.strip(), parse_value(value.strip()), f"--set {key.strip()}"


def _full_key(key: str, stage: str, content: Mapping[str, Any]) -> str:
    """The key with its stage."""
    return key if key.partition(".")[0] in content else f"{stage}.{key}"


def _put(content: dict[str, Any], key: str, value: Any, where: str) -> str:
    """Set a value in nested tables, where there is one already; returns the key."""
    *above, last = key.split(".")
    place: Any = content
    done: list[str] = []
    for part in (*above, last):
        known = [name for name in place if name not in _FIXED or done] if isinstance(place, dict) else []
        if part not in known:
            inside = f"{'.'.join(done)} has" if done else "a preset has"
            guess = nearest(part, known)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise ConfigError(
                f"{where}: {inside} no {part!r} (allowed: {', '.join(known) or 'nothing below it'}{hint})"
            )
        done.append(part)
        if part is not last or len(done) <= len(above):
            place = place[part]
    if isinstance(place[last], dict):
        raise ConfigError(f"{where}: is a table, give one of its keys: {', '.join(place[last])}")
    place[last] = value
    return key
