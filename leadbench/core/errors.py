"""Errors that a user can act on: one line that says what, where, what is allowed and the nearest name.

Every error that leadbench raises on purpose derives from :class:`LeadbenchError`; the command line
prints its single line and exits with code 2. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LeadbenchError(Exception):
    """Base class: bad input or a broken promise of a plugin, reported in one line."""


class ConfigError(LeadbenchError):
    """An option or configuration value is not allowed."""


class DataError(LeadbenchError):
    """A dataset folder, a motion or a caption does not follow the on-disk format."""


class MotionFileError(DataError):
    """A motion file (BVH, NPY) cannot be read; the message names the file and, where it can, the line."""


class NonFiniteError(LeadbenchError):
    """NaN or infinite values where numbers are needed."""


class PluginError(LeadbenchError):
    """A plugin failed to import, to register, or to implement its contract."""


class UnknownNameError(LeadbenchError):
    """A name (backbone, preset, encoder, dataset, ...) is not registered."""


class WeightsError(LeadbenchError):
    """A weights file is missing, unsafe, or does not fit the module."""


class LatentMismatchError(LeadbenchError):
    """A projector, or a denoiser, meets a latent space other than the one that it was trained on."""


class CheckpointError(LeadbenchError):
    """A training's checkpoint is damaged, or of another training."""


class WorkerError(LeadbenchError):
    """A process that shared the work died."""


class SelfTestError(LeadbenchError):
    """Real motions do not score as they should: evaluator and dataset do not belong together."""


class ResultsError(LeadbenchError):
    """Stored records are unreadable or contradict the run that wants to extend them."""


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name closest to ``name``, or None when nothing is similar.

    >>> nearest("motionlmc", ["mld", "motionlcm"])
    'motionlcm'
    """
    close = get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown_name(kind: str, name: str, allowed: Iterable[str], where: str = "") -> UnknownNameError:
    """Build the error for a name that nobody registered.

    >>> print(unknown_name("backbone", "mdl", ["mld", "motionlcm"], where="--backbone"))
    --backbone: unknown backbone 'mdl' (allowed: mld, motionlcm; did you mean 'mld'?)
    """
    names = sorted(allowed)
    guess = nearest(name, names)
    hint = f"; did you mean '{guess}'?" if guess else ""
    prefix = f"{where}: " if where else ""
    return UnknownNameError(f"{prefix}unknown {kind} {name!r} (allowed: {', '.join(names) or 'none'}{hint})")
