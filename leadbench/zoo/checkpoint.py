"""Foreign checkpoints, read without executing anything of them.

Everything goes through ``torch.load(weights_only=True)``, whose unpickler builds tensors and plain containers only.
Lightning puts more into its checkpoints (configuration objects, callbacks); objects of the libraries listed here become
:class:`Inert` placeholders, which do nothing and are never looked at. A file that asks for any other name is refused.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from leadbench.core.errors import WeightsError
from leadbench.core.reading import reason
from leadbench.zoo.files import read_tensors

_LIBRARIES = ("omegaconf", "pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics")
_BUILTINS = "bool bytes complex dict float int list object set str tuple type unicode"
_NAMES = frozenset(
    [
        "argparse.Namespace",
        "numpy.dtype",
        "numpy.ndarray",
        "typing.Any",
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
        *(f"pathlib.{local}{kind}Path" for local in ("", "_local.") for kind in ("Posix", "PurePosix", "Windows")),
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _BUILTINS.split(" ")),
    ]
)
_LARGER, _SPARE = 2, 1 << 20  # how many times, and bytes, an archive may be smaller than what it unpacks to
_MOST_PICKLE, _MOST_MEMBERS = 1 << 26, 100_000
_MAPPINGS = frozenset({"collections.defaultdict"})  # read as plain dictionaries


class Inert:
    """Stands for an object of a library that is not needed; takes anything and does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> Inert:
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_checkpoint(path: Path) -> Any:
    """Content of a file that ``torch.save`` wrote, in either of its formats; tensors of the newer one are mapped.

    Raises:
        WeightsError: the file is missing or broken, or holds anything but tensors, plain containers and objects of the
            libraries that the official checkpoints are known to hold; nothing of it is executed.
    """
    if not _is_file(path):
        raise WeightsError(f"checkpoint {str(path)[:200]}: no such file")
    if path.suffix.lower() == ".safetensors":
        return read_tensors(path)[0]
    zipped = _is_zipped(path)
    if zipped:
        _require_bounded(path)
    try:
        foreign = sorted(get_unsafe_globals_in_checkpoint(path)) if zipped else []
        refused = [name for name in foreign if not _is_inert(name)]
        if refused:
            raise WeightsError(f"checkpoint {path}: refused: {_not_weights(refused)}")
        stubs: Any = [(_plain if name in _MAPPINGS else type("Inert", (Inert,), {}), name) for name in foreign]
        with safe_globals(stubs), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickle protocols that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except WeightsError:
        raise
    except Exception as exc:  # a hostile or broken file can make the reader raise anything
        what = "refused" if isinstance(exc, pickle.UnpicklingError) else "not a readable checkpoint"
        raise WeightsError(f"checkpoint {path}: {what}: {_reason(exc)}") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a path, or a null byte in it
        return False


def _is_zipped(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except (zipfile.BadZipFile, OSError) as exc:
        raise WeightsError(f"checkpoint {path}: not a readable checkpoint: {reason(exc)}") from exc


def _require_bounded(path: Path) -> None:
    """Refuse an archive that unpacks to much more than it is: torch stores its tensors as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as exc:  # a broken directory of an archive makes the reader raise many types
        raise WeightsError(f"checkpoint {path}: not a readable checkpoint: {reason(exc)}") from exc
    unpacked = sum(member.file_size for member in members)
    program = max((member.file_size for member in members if member.filename.endswith(".pkl")), default=0)
    if unpacked > _LARGER * path.stat().st_size + _SPARE or program > _MOST_PICKLE or len(members) > _MOST_MEMBERS:
        raise WeightsError(
            f"checkpoint {path}: refused: {path.stat().st_size:,} bytes that unpack to {unpacked:,} in "
            f"{len(members):,} parts, as weights do not"
        )


def _is_inert(name: str) -> bool:
    return name in _NAMES | _MAPPINGS or name.partition(".")[0] in _LIBRARIES


def _plain(*args: object) -> dict[object, object]:
    return {}


def _not_weights(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"it asks for {', '.join(names[:3])}{more}, which is not part of weights"


def _reason(exc: Exception) -> str:
    """What a reader needs of torch's long advice: the name that was refused, or what is wrong."""
    text = " ".join(str(exc).split())
    named = re.search(r"GLOBAL (\S+)", text)
    if named:
        return _not_weights([named[1]])
    _, found, rest = text.partition("WeightsUnpickler error: ")
    sentence = (rest if found else text).split(". ")[0].partition(" Check the documentation")[0]
    return sentence[:200] or type(exc).__name__
