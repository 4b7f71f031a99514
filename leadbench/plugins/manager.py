"""Find, load, validate and list plugins.

Sources: the entry-point group ``leadbench`` (bundled parts included) and plain files (``--plugin path.py``).
A plugin that fails is listed with its error and does not break what does not need it; ``strict`` makes it fatal.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from leadbench.core.errors import LeadbenchError, PluginError, nearest, unknown_name
from leadbench.core.reading import reason
from leadbench.plugins.context import Context
from leadbench.plugins.hookspecs import (
    PROJECT,
    LeadbenchHooks,
    ProjectorRegistration,
    Registration,
    imported,
)
from leadbench.plugins.kinds import CONTRACTS, HELD, KINDS, hook_name
from leadbench.plugins.options import all_values, resolved_options

if TYPE_CHECKING:  # the contracts import torch
    from leadbench.core.contracts import (
        Backbone,
        Evaluator,
        MotionAutoencoder,
        MotionDataset,
        MotionMetric,
        Projector,
        ProjectorContext,
        SetMetric,
        TextEncoder,
        Tracker,
        TrainableProjector,
    )
    from leadbench.zoo.store import ModelStore


@dataclass(frozen=True)
class PluginInfo:
    """A plugin as listed: what it offers, or why it failed.

    ``code`` is the SHA-256 of its sources; ``bundled``: it comes with leadbench itself.
    """

    name: str
    source: str
    offers: tuple[str, ...] = ()
    error: str | None = None
    code: str = ""
    bundled: bool = False


@dataclass
class Plugins:
    """Everything that was found; look things up with :meth:`get`.

    Attributes:
        infos: the plugins.
        options: what users said of the options of parts, by the part's name.
        made: what a run must know of the parts that were made, by kind and name.
    """

    infos: list[PluginInfo] = field(default_factory=list)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    made: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
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

    def context(self, kind: str, name: str, models: ModelStore | None = None, path: Path | None = None) -> Context:
        """What a factory is given.

        Raises:
            UnknownNameError: nobody registered it.
            ConfigError: an option that it does not have, or a value that does not fit.
        """
        registration = self.get(kind, name)
        trained = {} if models is None else models.trained_options(f"{kind}-{name}", path)
        options = resolved_options(registration, self.options.get(name, {}), trained)
        return Context(kind, name, options, path, models, lambda other: self.backbone(other, models))

    def named(self, name: str, where: str = "") -> list[Registration]:
        """Registrations of any kind that have a name.

        Raises:
            UnknownNameError: there is none.
        """
        found = [self._registrations[kind][name][1] for kind in KINDS if name in self._registrations[kind]]
        if not found:
            raise unknown_name("part", name, sorted({n for kind in KINDS for n in self.names(kind)}), where)
        return found

    def create(
        self, kind: str, name: str, models: ModelStore | None = None, path: Path | None = None, where: str = ""
    ) -> Any:
        """Call the factory of a registration and check what it returns; the methods below are the typed forms of this.

        Raises:
            UnknownNameError: nobody registered it.
            ConfigError: an option that it does not have, or a value that does not fit.
            PluginError: its factory cannot be imported or fails, or returns something that does not implement the
                contract.
        """
        factory = self.factory(kind, name, where)
        context = self.context(kind, name, models, path)
        with _initial_weights(kind, name, models):
            made = factory(context)
        if kind in CONTRACTS:
            from leadbench.core import contracts  # imports torch

            allowed = [CONTRACTS[kind], *(["MotionBackbone"] if kind == "backbone" else [])]
            if not any(isinstance(made, getattr(contracts, contract)) for contract in allowed):
                raise PluginError(
                    f"{kind.replace('_', ' ')} {name!r}: its factory returned {type(made).__name__}, which is no "
                    f"{' or '.join(allowed)}{_missing(made, [getattr(contracts, contract) for contract in allowed])}"
                )
        elif kind == "metric" and not callable(made):
            raise PluginError(f"metric {name!r}: its factory returned {type(made).__name__}, which cannot be called")
        self._remember(context, made)
        return made

    def factory(self, kind: str, name: str, where: str = "") -> Callable[..., Any]:
        """The factory of a registration, for kinds whose factories get something else than a context.

        Raises:
            UnknownNameError: nobody registered it.
            PluginError: it cannot be imported, or fails when it is called.
        """
        return self._told(kind, name, self._imported(kind, name, self.get(kind, name, where).factory))

    def _told(self, kind: str, name: str, factory: Callable[..., Any]) -> Callable[..., Any]:
        """The factory with the plugin's name in what it raises; it may raise anything."""

        def make(*arguments: object) -> Any:
            try:
                return factory(*arguments)
            except LeadbenchError:
                raise
            except Exception as exc:
                raise PluginError(
                    f"plugin {self._registrations[kind][name][0]!r}: the factory of {kind.replace('_', ' ')} {name!r} "
                    f"raised {type(exc).__name__}: {reason(exc)}"
                ) from exc

        return make

    def _remember(self, context: Context, made: object) -> None:
        """Options and content of a part. The files of bundled parts are named in a run's identity already."""
        kept: dict[str, Any] = {} if context.options is None else {"options": all_values(context.options)}
        if not self.bundled(context.kind, context.name) and context.kind in HELD:
            from leadbench.core.content import content_digest  # imports torch

            kept["content"] = content_digest(made)
        self.made[context.kind, context.name] = kept

    def bundled(self, kind: str, name: str) -> bool:
        """Whether leadbench itself registers it.

        Raises:
            UnknownNameError: nobody does.
        """
        self.get(kind, name)
        owner = self._registrations[kind][name][0]
        return any(info.name == owner and info.bundled for info in self.infos)

    def parts_identity(self, parts: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
        """Options and content of parts that were made, by ``kind:name``: part of what numbers depend on."""
        return {f"{kind}:{name}": held for kind, name in sorted(set(parts)) if (held := self.made.get((kind, name)))}

    def _imported(self, kind: str, name: str, named: str | Callable[..., Any]) -> Callable[..., Any]:
        try:
            return imported(named)
        except (ImportError, AttributeError) as exc:
            plugin = self._registrations[kind][name][0]
            raise PluginError(
                f"plugin {plugin!r}, hook {hook_name(kind)}, {name!r}: cannot import factory {named!r}: {exc}"
            ) from exc

    def backbone(self, name: str, models: ModelStore | None, where: str = "--backbone") -> Backbone:
        """A backbone with the models of a folder, on its device; one that makes motions is given a latent space of no
        tokens (:class:`leadbench.core.direct.DirectBackbone`)."""
        from leadbench.core.direct import has_latent, latent_form  # imports torch

        made = latent_form(_placed(self.create("backbone", name, models, where=where), models))
        if models is not None and has_latent(made):
            models.check_space(f"backbone-{name}", made.autoencoder)
        return made

    def autoencoder(self, name: str, models: ModelStore, where: str = "--autoencoder") -> MotionAutoencoder:
        """A motion autoencoder with the weights of a model folder, on its device."""
        return cast("MotionAutoencoder", _placed(self.create("autoencoder", name, models, where=where), models))

    def text_encoder(self, name: str, models: ModelStore | None = None, where: str = "") -> TextEncoder:
        """A text encoder; one that is fitted to captions needs a model folder beside a dataset."""
        return cast("TextEncoder", self.create("text_encoder", name, models, where=where))

    def projector(
        self, name: str, path: Path, models: ModelStore | None = None, where: str = "--projector"
    ) -> Projector:
        """A projector of a registered kind from its file."""
        return cast("Projector", self.create("projector", name, models, path, where))

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
        made = self._told("projector", name, self._imported("projector", name, create))(context)
        if not isinstance(made, TrainableProjector):
            raise PluginError(
                f"projector {name!r}: its create returned {type(made).__name__}, which is no TrainableProjector "
                f"(network, training_loss, project, reproject, latent_fingerprint, text_encoder)"
            )
        return made

    def dataset(self, name: str, root: Path, where: str = "--dataset") -> MotionDataset:
        """A dataset from its folder."""
        return cast("MotionDataset", self.create("dataset", name, path=root, where=where))

    def evaluator(self, name: str, models: ModelStore | None, where: str = "--evaluator") -> Evaluator:
        """An evaluator with the models of a folder, on its device."""
        return cast("Evaluator", _placed(self.create("evaluator", name, models, where=where), models))

    def metric(self, name: str, models: ModelStore | None = None, where: str = "--metric") -> MotionMetric | SetMetric:
        """A metric of single motions, or of sets where its registration is a ``SetMetricRegistration``."""
        return cast("MotionMetric | SetMetric", self.create("metric", name, models, where=where))

    def tracker(self, name: str, where: str = "--track") -> Tracker:
        """Where figures of trainings go."""
        return cast("Tracker", self.create("tracker", name, where=where))

    def add(self, kind: str, plugin: str, registration: Registration) -> None:
        """Register; a name taken by another plugin is an error that names both."""
        taken = self._registrations[kind].get(registration.name)
        if taken is not None:
            raise PluginError(
                f"plugin {plugin!r}, hook {hook_name(kind)}: {registration.name!r} is already registered by "
                f"plugin {taken[0]!r}"
            )
        self._registrations[kind][registration.name] = (plugin, registration)


@contextmanager
def _initial_weights(kind: str, name: str, models: ModelStore | None) -> Iterator[None]:
    """A part's network begins with the same weights wherever it is made; a training chooses them by its own seed."""
    from leadbench.core.random import seeded  # imports torch

    if models is not None and models.begins_anew(f"{kind}-{name}"):
        yield
        return
    with seeded(0, f"initial:{kind}-{name}"):
        yield


def _missing(made: object, contracts: Sequence[type]) -> str:
    """What an object lacks of the contract that it comes closest to; nothing where members cannot be told."""
    wanted = [[name for name in _members(contract) if not hasattr(made, name)] for contract in contracts]
    fewest = min(wanted, key=len)
    return f" (missing: {', '.join(fewest)})" if fewest else ""


def _members(contract: type) -> set[str]:
    """Attributes and methods that a protocol asks for."""
    inherited = [vars(base).get("__protocol_attrs__") for base in contract.__mro__]
    names: set[str] = set().union(*(found for found in inherited if found))
    if not names:  # before Python 3.12 protocols do not list them
        for base in contract.__mro__[:-1]:
            names |= {name for name in {**vars(base), **getattr(base, "__annotations__", {})} if name[0] != "_"}
    return names


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
    for point in sorted(entry_points(group=PROJECT), key=lambda point: (not _is_bundled(point), point.name)):
        _load_one(plugins, point.name, point.value, point, strict)
    for path in files:
        if not path.is_file():  # named by the user: nothing to go on with
            raise PluginError(f"--plugin {path}: no such file")
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
        plugins.infos.append(PluginInfo(name, source, offers, code=_code(module), bundled=_is_bundled(origin)))


def _is_bundled(origin: EntryPoint | Path) -> bool:
    """By its distribution: packages of strangers are called leadbench_SOMETHING too."""
    distribution = getattr(origin, "dist", None)
    return distribution is not None and distribution.name == PROJECT


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
        unmarked = attribute in known and not hasattr(getattr(module, attribute), f"{PROJECT}_impl")
        if unmarked and callable(getattr(module, attribute)):
            raise PluginError(f"hook {attribute!r} is not marked: put @leadbench.hookimpl before it")
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
