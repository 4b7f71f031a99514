"""From a card and its tensors to a network, with one line for whatever does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from leadbench.core.errors import LeadbenchError, WeightsError
from leadbench.core.reading import first_problem, reason
from leadbench.core.tensors import MotionSpec
from leadbench.zoo.files import ModelCard, card_path
from leadbench.zoo.state_dict import require_finite

STATISTICS = ("statistics.mean", "statistics.std")
_SMALL = 256  # sizes up to it need no tensor that shows them
_MOST_POSITIONS = 16_384  # of a table that is computed
_LARGER = 4  # how much larger than every dimension of the tensors a size may be: of blocks that are cut out of one
_MOST_LAYERS = 256

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)


def card_config(model: type[Config], card: ModelCard, path: Path, key: str = "architecture") -> Config:
    """A configuration of a card.

    Raises:
        WeightsError: the card has none under that key, or it is not valid.
    """
    if key not in card.config:
        raise WeightsError(f"{card_path(path)}: config has no {key!r}")
    try:
        return model.model_validate(card.config[key])
    except ValidationError as exc:
        raise WeightsError(f"{card_path(path)}: config.{key}.{first_problem(exc)}") from exc


def card_entry(card: ModelCard, path: Path, table: str, key: str) -> Any:
    """An entry of a card's ``config`` or ``links``.

    Raises:
        WeightsError: there is none.
    """
    found = getattr(card, table).get(key)
    if found is None:
        raise WeightsError(f"{card_path(path)}: {table} has no {key!r}")
    return found


def build(make: Callable[[Config], Network], config: Config, tensors: Mapping[str, Tensor], path: Path) -> Network:
    """A network of a configuration with its weights.

    Raises:
        WeightsError: the configuration cannot be built, or the tensors do not fit it.
    """
    _require_sizes(config, tensors, path)
    try:
        network = make(config)
    except LeadbenchError:
        raise
    except Exception as exc:  # sizes that do not go together fail wherever torch meets them
        raise WeightsError(f"{card_path(path)}: its architecture cannot be built ({reason(exc)})") from exc
    fill(network, tensors, path)
    return network


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors into a network.

    Raises:
        WeightsError: they do not fit, or hold NaN or infinity.
    """
    require_finite(tensors, path)
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as exc:
        raise WeightsError(f"{path}: weights do not fit their card: {' '.join(str(exc).split())[:300]}") from exc


def motion_spec(tensors: dict[str, Tensor], card: ModelCard, path: Path) -> MotionSpec:
    """Take the statistics out of the tensors of a model that was trained on motions.

    Raises:
        WeightsError: they, or skeleton and frame rate, are missing or not valid.
    """
    missing = [key for key in STATISTICS if key not in tensors]
    if missing:
        raise WeightsError(f"{path}: has no tensor {missing[0]!r}")
    mean, std = (tensors.pop(key) for key in STATISTICS)
    skeleton, fps = card_entry(card, path, "links", "skeleton"), card_entry(card, path, "links", "fps")
    try:
        return MotionSpec(skeleton, float(fps), mean, std)
    except (ValueError, LeadbenchError) as exc:
        raise WeightsError(f"{card_path(path)}: links: {reason(exc)}") from exc


def _require_sizes(config: BaseModel, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse sizes that the tensors show to be wrong, before memory is taken for them."""
    largest = max((size for tensor in tensors.values() for size in tensor.shape), default=0)
    for name, value in _sizes(config.model_dump()):
        most = {"layers": _MOST_LAYERS, "positions": _MOST_POSITIONS}.get(name, max(_SMALL, _LARGER * largest))
        if value > most:
            raise WeightsError(
                f"{card_path(path)}: architecture: {name} {value} does not fit the tensors of {path.name}"
            )


def _sizes(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _sizes(value)
        elif isinstance(value, int):
            yield name, value
