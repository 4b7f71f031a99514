"""Options of plugins' parts: ``--option mine.k=5`` over ``[options.mine]`` over what a model's card holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from leadbench.core.errors import ConfigError, nearest
from leadbench.core.reading import reason
from leadbench.core.toml import parse_value
from leadbench.plugins.hookspecs import Registration, imported


def parse_options(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Options by the name of the part; a value is TOML, or else text.

    Raises:
        ConfigError: not ``NAME.KEY=VALUE``, or a key twice.

    >>> parse_options(["mine.k=5", "mine.metric=cosine"])
    {'mine': {'k': 5, 'metric': 'cosine'}}
    """

    found: dict[str, dict[str, Any]] = {}
    for text in assignments:
        target, equals, value = text.partition("=")
        name, dot, key = target.strip().partition(".")
        if not (equals and dot and name and key):
            raise ConfigError(f"--option {text}: must be NAME.KEY=VALUE, such as mine.k=5")
        if key in found.setdefault(name, {}):
            raise ConfigError(f"--option {text}: {name}.{key} is given twice")
        found[name][key] = parse_value(value.strip())
    return found


def options_model(registration: Registration) -> type[BaseModel] | None:
    """The model that a registration names; None: the part has no options.

    Raises:
        ConfigError: it names something else.
    """
    if registration.options is None:
        return None
    try:
        found = imported(registration.options) if isinstance(registration.options, str) else registration.options
    except (ImportError, AttributeError) as exc:
        raise ConfigError(f"{registration.name!r}: cannot import its options {registration.options!r}: {exc}") from exc
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ConfigError(f"{registration.name!r}: its options {registration.options!r} are no pydantic model")
    return found


def all_values(options: BaseModel) -> dict[str, Any]:
    """Every option by name, those of sampling alone included: what numbers depend on."""
    found: dict[str, Any] = to_jsonable_python({name: getattr(options, name) for name in type(options).model_fields})
    return found


def resolved_options(
    registration: Registration, given: Mapping[str, Any], trained: Mapping[str, Any] | None = None
) -> BaseModel | None:
    """Options of a part: what users said, else what it was trained with, else the defaults.

    Raises:
        ConfigError: the part has no such option, or none at all, or a value does not fit.
    """
    name, model = registration.name, options_model(registration)
    if model is None:
        if given:
            raise ConfigError(f"--option {name}.{next(iter(given))}: {name!r} takes no options")
        return None
    allowed = {field.alias or key for key, field in model.model_fields.items()}
    for key in given:
        if key not in allowed:
            guess = nearest(key, sorted(allowed))
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise ConfigError(f"--option {name}.{key}: no such option (allowed: {', '.join(sorted(allowed))}{hint})")
    kept = {key: value for key, value in (trained or {}).items() if key in allowed}
    try:
        return model.model_validate({**kept, **given})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        key = ".".join([name, *map(str, first["loc"])])
        raise ConfigError(f"--option {key}={first['input']}: {reason(ValueError(first['msg']))}") from exc
