"""From ``--projector auto,mine=FILE`` to projectors that fit a backbone's latent space, whichever plugin reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from leadbench.core.contracts import MotionAutoencoder, Projector
from leadbench.core.device import placed
from leadbench.core.errors import ConfigError, WeightsError
from leadbench.core.provenance import sha256_file
from leadbench.core.remote import local_file
from leadbench.plugins.hookspecs import ProjectorRegistration
from leadbench.plugins.manager import Plugins
from leadbench.zoo.files import ModelCard, card_path, load_card
from leadbench.zoo.store import ModelStore

AUTO, NONE, LEAD = "auto", "none", "lead"
ALLOWED = "auto, none, a file, NAME or NAME=FILE of a projector plugin; several joined by commas"
_NAMED_FILE = re.compile(r"([A-Za-z][\w-]*)=(.+)$")


class Assets(Protocol):
    """Where projectors are looked for: :class:`leadbench.zoo.assets.Opened` is one."""

    @property
    def models(self) -> ModelStore:
        """The model folder."""

    @property
    def plugins(self) -> Plugins:
        """Who reads them."""


@dataclass(frozen=True, eq=False)
class AttachedProjector:
    """A projector beside what it is called.

    Attributes:
        name: registered name of its kind, which rows of a table carry.
        display: name in tables.
        variant: of the ablation; None: the whole projector.
        projector: the loaded one.
        digest: SHA-256 of its file.
        path: its file.
    """

    name: str
    display: str
    variant: str | None
    projector: Projector
    digest: str
    path: Path


def open_projectors(opened: Assets, autoencoder: MotionAutoencoder, specification: str) -> list[AttachedProjector]:
    """What ``--projector`` names, in order, for a latent space.

    ``auto`` gives one projector of each kind that the model folder has for the space, which may be none; ``NAME`` the
    folder's of that kind; a file is read by the kind that its card names. Whether one that is named by its file fits
    is checked where it is attached.

    Raises:
        ConfigError: the text is no list of projectors, or names one kind twice.
        UnknownNameError: no plugin reads that kind.
        WeightsError: there is no such file, or none of that kind for the space.
    """
    found: dict[str, AttachedProjector] = {}
    for item in _items(specification):
        if item == NONE:
            continue
        if item == AUTO:
            for attached in _fitting(opened, autoencoder):
                found.setdefault(attached.name, attached)
            continue
        attached = _named(opened, autoencoder, item)
        if attached.name in found and found[attached.name].path != attached.path:
            raise ConfigError(
                f"--projector {specification}: projector {attached.name!r} twice "
                f"({found[attached.name].path.name}, {attached.path.name}); rows need different names"
            )
        found[attached.name] = attached
    return list(found.values())


def open_projector(opened: Assets, autoencoder: MotionAutoencoder, specification: str) -> AttachedProjector | None:
    """The one projector that is meant, for what takes a single one; None where there is none.

    Raises:
        ConfigError: several are named.
    """
    found = open_projectors(opened, autoencoder, specification)
    if len(found) > 1 and specification != AUTO:
        raise ConfigError(
            f"--projector {specification}: one projector at a time (allowed: {ALLOWED.partition(';')[0]})"
        )
    return found[0] if found else None


def open_variant(opened: Assets, autoencoder: MotionAutoencoder, variant: str) -> AttachedProjector | None:
    """The folder's LEAD projector of a variant for a latent space, if there is one."""
    listed = opened.models.catalog.projectors(autoencoder.fingerprint, LEAD, variant)
    return attach(opened, LEAD, listed[0].path) if listed else None


def attach(opened: Assets, kind: str, path: Path) -> AttachedProjector:
    """A projector of a kind from its file."""
    projector = opened.plugins.projector(kind, path, opened.models)
    placed(projector, opened.models.compute)
    registration = opened.plugins.get("projector", kind)
    display = registration.display if isinstance(registration, ProjectorRegistration) else ""
    opened.models.note_use(path.stem if kind == LEAD else f"{kind}={path.stem}", path)
    card = _card(path)
    variant = None if card is None else card.variant
    return AttachedProjector(kind, display or kind, variant, projector, sha256_file(path), path)


def content_named(specification: str) -> str:
    """A specification with the hash of every file in its place: the same where files were only moved.

    >>> content_named("auto, mine")
    'auto,mine'
    """
    found = []
    for item in _items(specification):
        match = _NAMED_FILE.match(item)
        named = match if match and not Path(item).exists() else None
        kind, path = (f"{named[1]}=", local_file(named[2])) if named else ("", local_file(item))
        found.append(f"{kind}{sha256_file(path)}" if path.is_file() else item)
    return ",".join(found)


def _items(specification: str) -> Sequence[str]:
    items = [item.strip() for item in specification.split(",")]
    if not all(items):
        raise ConfigError(f"--projector {specification!r}: an empty name (allowed: {ALLOWED})")
    return items


def _fitting(opened: Assets, autoencoder: MotionAutoencoder) -> list[AttachedProjector]:
    """One whole projector of each kind that somebody registered; LEAD first."""
    kinds: dict[str, Path] = {}
    known = opened.plugins.names("projector")
    for listed in opened.models.catalog.projectors(autoencoder.fingerprint):
        kind = listed.card.kind or LEAD
        if kind in known:
            kinds.setdefault(kind, listed.path)
    return [attach(opened, kind, kinds[kind]) for kind in sorted(kinds, key=lambda kind: (kind != LEAD, kind))]


def _named(opened: Assets, autoencoder: MotionAutoencoder, item: str) -> AttachedProjector:
    match = _NAMED_FILE.match(item)
    kind, path = (match[1], local_file(match[2])) if match and not Path(item).exists() else (None, local_file(item))
    if kind is not None:
        opened.plugins.get("projector", kind, "--projector")
    elif item in opened.plugins.names("projector"):
        return _of_kind(opened, autoencoder, item)
    if not path.is_file():
        raise WeightsError(
            f"--projector {path}: no such file (allowed: {ALLOWED}; plugins: "
            f"{', '.join(opened.plugins.names('projector'))})"
        )
    if kind is None:
        card = _card(path)
        kind = (card.kind if card is not None else None) or LEAD
    return attach(opened, kind, path)


def _of_kind(opened: Assets, autoencoder: MotionAutoencoder, kind: str) -> AttachedProjector:
    listed = opened.models.catalog.projectors(autoencoder.fingerprint, kind)
    if not listed:
        raise WeightsError(
            f"models {opened.models.folder}: no projector {kind!r} of latent space {autoencoder.fingerprint[:12]} "
            f"(run: leadbench train projector --projector {kind}, or name a file: --projector {kind}=FILE)"
        )
    return attach(opened, kind, listed[0].path)


def _card(path: Path) -> ModelCard | None:
    return load_card(path) if path.is_file() and card_path(path).is_file() else None
