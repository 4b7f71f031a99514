"""Find, load, validate and list plugins.

Sources: the entry-point group ``leadbench`` (bundled parts included) and plain files (``--plugin path.py``).
A plugin that fails is listed with its error and does not break what does not need it; ``strict`` makes it fatal.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from leadbench.core.errors import PluginError, nearest, unknown_name
from leadbench.plugins.hookspecs import (
    PROJECT,
    BackboneRegistration,
    LeadbenchHooks,
    ProjectorRegistration,
    Registration,
    TaskRegistration,
    imported,
)

if TYPE_CHECKING:  # the contracts import torch
    from leadbench.core.contracts import (
        Backbone,
        Evaluator,
        MotionDataset,
        MotionMetric,
        Projector,
        ProjectorContext,
        TextEncoder,
        TrainableProjector,
    )

CONTRACTS = {
    "backbone": "Backbone",
    "text_encoder": "TextEncoder",
    "projector": "Projector",
    "dataset": "MotionDataset",
    "evaluator": "Evaluator",
}

KINDS: dict[str, type[Registration]] = {
    "backbone": BackboneRegistration,
    "text_encoder": Registration,
    "projector": ProjectorRegistration,
    "dataset": Registration,
    "evaluator": Registration,
    "metric": Registration,
    "task": TaskRegistration,
    "command": Registration,
}


def hook_name(kind: str) -> str:
    """Hook that collects registrations of a kind: ``backbone`` -> ``leadbench_backbones``."""
    return f"leadbench_{kind}s"


@dataclass(frozen=True)
class PluginInfo:
    """A plugin as listed: what it offers, or why it failed.

    ``code`` is the SHA-256 of its sources.
    """

    name: str
    source: str
    offers: tuple[str, ...] = ()
    error: str | None = None
    code: str = ""


@dataclass
class Plugins:
    """Everything that was found; look things up with :meth:`get`."""

    infos: list[PluginInfo] = field(default_factory=list)
    _registrations: dict[str, dict[str, tuple[str, Registration]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def identity(self) -> dict[str, str]:
        """Hashes of the sources of all plugins, by name: part of what numbers depend on."""
        return {info.name: info.code for info in self.infos if info.code}

    def names(self, kind: str) -> list[str]:
        """Registered names of a kind, sorted."""
        return sorted(self._registrations[kind])

    def all(self, kind: str) -> list[tuple[str, Registration]]:
        """(plugin, registration) pairs of a kind, sorted by name."""
        return [self._registrations[kind][name] for name in self.names(kind)]

    def get(self, kind: str, name: str, where: str = "") -> Registration:
        """The registration called ``name``.

        Raises:
            UnknownNameError: nobody registered it; failed plugins are named, since one may have been meant to.
            PluginError: a package that it requires is missing.
        """
        found = self._registrations[kind].get(name)
        if found is None:
            error = unknown_name(kind.replace("_", " "), name, self.names(kind), where)
            failed = [info.name for info in self.infos if info.error]
            if failed:
                error.args = (f"{error.args[0]}; plugins that failed to load: {', '.join(failed)}",)
            raise error
        plugin, registration = found
        missing = [package for package in registration.requires if importlib.util.find_spec(package) is None]
        if missing:
            raise PluginError(
                f"plugin {plugin!r}: {kind.replace('_', ' ')} {name!r} needs packages that are not installed: "
                f"{', '.join(missing)}"
            )
        return registration

    def create(self, kind: str, name: str, *args: object, where: str = "") -> Any:
        """Call the factory of a registration and check what it returns; the methods below are the typed forms of this.

        Raises:
            UnknownNameError: nobody registered it.
            PluginError: its factory cannot be imported, or returns something that does not implement the contract.
        """
        registration = self.get(kind, name, where)
        made = self._imported(kind, name, registration.factory)(*args)
        if kind in CONTRACTS:
            from leadbench.core import contracts  # imports torch

            if not isinstance(made, getattr(contracts, CONTRACTS[kind])):
                raise PluginError(
                    f"{kind.replace('_', ' ')} {name!r}: its factory returned {type(made).__name__}, which is no "
                    f"{CONTRACTS[kind]}"
                )
        elif kind == "metric" and not callable(made):
            raise PluginError(f"metric {name!r}: its factory returned {type(made).__name__}, which cannot be called")
        return made

    def _imported(self, kind: str, name: str, named: str | Callable[..., Any]) -> Callable[..., Any]:
        try:
            return imported(named)
        except (ImportError, AttributeError) as exc:
            plugin = self._registrations[kind][name][0]
            raise PluginError(
                f"plugin {plugin!r}, hook {hook_name(kind)}, {name!r}: cannot import factory {named!r}: {exc}"
            ) from exc

    def backbone(self, name: str, models: object, where: str = "--backbone") -> Backbone:
        """A backbone with the models of a :class:`leadbench.zoo.store.ModelStore`, on its device."""
        return cast("Backbone", _placed(self.create("backbone", name, models, where=where), models))

    def text_encoder(self, name: str, where: str = "") -> TextEncoder:
        """A text encoder."""
        return cast("TextEncoder", self.create("text_encoder", name, where=where))

    def projector(self, name: str, path: Path, where: str = "--projector") -> Projector:
        """A projector of a registered kind from its file."""
        return cast("Projector", self.create("projector", name, path, where=where))

    def new_projector(self, name: str, context: ProjectorContext, where: str = "--projector") -> TrainableProjector:
        """An untrained projector.

        Raises:
            PluginError: projectors of that kind cannot be trained here.
        """
        from leadbench.core.contracts import TrainableProjector

        registration = self.get("projector", name, where)
        create = registration.create if isinstance(registration, ProjectorRegistration) else None
        if create is None:
            raise PluginError(
                f"{where} {name}: cannot be trained here: its registration has no create "
                f"(leadbench.core.contracts.TrainableProjector)"
            )
        made = self._imported("projector", name, create)(context)
        if not isinstance(made, TrainableProjector):
            raise PluginError(
                f"projector {name!r}: its create returned {type(made).__name__}, which is no TrainableProjector "
                f"(network, training_loss, project, reproject, latent_fingerprint, text_encoder)"
            )
        return made

    def dataset(self, name: str, root: Path, where: str = "--dataset") -> MotionDataset:
        """A dataset from its folder."""
        return cast("MotionDataset", self.create("dataset", name, root, where=where))

    def evaluator(self, name: str, models: object, where: str = "--evaluator") -> Evaluator:
        """An evaluator with the models of a :class:`leadbench.zoo.store.ModelStore`, on its device."""
        return cast("Evaluator", _placed(self.create("evaluator", name, models, where=where), models))

    def metric(self, name: str, where: str = "--metric") -> MotionMetric:
        """A metric of single motions."""
        return cast("MotionMetric", self.create("metric", name, where=where))

    def add(self, kind: str, plugin: str, registration: Registration) -> None:
        """Register; a name taken by another plugin is an error that names both."""
        taken = self._registrations[kind].get(registration.name)
        if taken is not None:
            raise PluginError(
                f"plugin {plugin!r}, hook {hook_name(kind)}: {registration.name!r} is already registered by "
                f"plugin {taken[0]!r}"
            )
        self._registrations[kind][registration.name] = (plugin, registration)


def _placed(part: Any, models: object) -> Any:
    from leadbench.core.device import CPU, placed  # imports torch

    placed(part, getattr(models, "compute", CPU))
    return part


def load_plugins(files: Iterable[Path] = (), *, strict: bool = False) -> Plugins:
    """Load every entry point of the group and every given file.

    Raises:
        PluginError: with ``strict``, the first plugin that fails.
    """
    plugins = Plugins()
    for point in sorted(entry_points(group=PROJECT), key=lambda p: (not p.value.startswith("leadbench"), p.name)):
        _load_one(plugins, point.name, point.value, point, strict)
    for path in files:
        _load_one(plugins, path.stem, str(path), path, strict)
    return plugins


def _load_one(plugins: Plugins, name: str, source: str, origin: EntryPoint | Path, strict: bool) -> None:
    try:
        module = _import(origin)
        offers = _collect(plugins, name, module)
    except Exception as exc:  # a plugin's module may raise anything; it is listed, or fatal with --strict-plugins
        if strict:
            raise PluginError(f"plugin {name!r} ({source}): {exc}") from exc
        plugins.infos.append(PluginInfo(name, source, error=f"{type(exc).__name__}: {exc}"))
    else:
        plugins.infos.append(PluginInfo(name, source, offers, code=_code(module)))


def _code(module: ModuleType) -> str:
    """Hash over a plugin's file, or over all files of its package."""
    if not module.__file__:
        return ""
    path = Path(module.__file__)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path.parent)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _import(origin: EntryPoint | Path) -> ModuleType:
    if isinstance(origin, EntryPoint):
        module: ModuleType = origin.load()
        return module
    if not origin.is_file():
        raise PluginError(f"--plugin {origin}: no such file")
    spec = importlib.util.spec_from_file_location(f"leadbench_plugin_{origin.stem}", origin)
    if spec is None or spec.loader is None:
        raise PluginError(f"--plugin {origin}: not a Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def _collect(plugins: Plugins, name: str, module: ModuleType) -> tuple[str, ...]:
    """Validate a plugin's hooks and registrations, then register all of them or none."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(LeadbenchHooks)
    known = [hook_name(kind) for kind in KINDS]
    manager.register(module, name)
    for attribute in dir(module):
        marked = hasattr(getattr(module, attribute), f"{PROJECT}_impl")
        if marked and attribute not in known:
            guess = nearest(attribute, known)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise PluginError(f"unknown hook {attribute!r} (allowed: {', '.join(known)}{hint})")
    found: list[tuple[str, Registration]] = []
    for kind, expected in KINDS.items():
        for group in getattr(manager.hook, hook_name(kind))():
            for registration in group:
                if not isinstance(registration, expected):
                    raise PluginError(
                        f"hook {hook_name(kind)}: returned {type(registration).__name__}, needs {expected.__name__}"
                    )
                found.append((kind, registration))
    trial = Plugins(_registrations={kind: dict(names) for kind, names in plugins._registrations.items()})
    for kind, registration in found:
        trial.add(kind, name, registration)
    plugins._registrations = trial._registrations
    return tuple(f"{kind}:{registration.name}" for kind, registration in found)
