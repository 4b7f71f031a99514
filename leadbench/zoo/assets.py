"""From what a user names to dataset, models and plugins: options first, then the settings, then defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from leadbench.core.config import DatasetSettings
from leadbench.core.contracts import MotionDataset
from leadbench.core.device import CPU, Compute, compute_for
from leadbench.core.errors import ConfigError, DataError, nearest, unknown_name
from leadbench.core.files import require_output
from leadbench.core.remote import is_copy, local_copy
from leadbench.core.settings import cache_folder, dataset_settings, settings
from leadbench.core.urls import url_of
from leadbench.plugins.hookspecs import TextEncoderRegistration, imported
from leadbench.plugins.manager import Plugins, load_plugins
from leadbench.plugins.options import all_values
from leadbench.text.encoder_sources import EncoderSources
from leadbench.zoo.official_files import OfficialFiles
from leadbench.zoo.store import ModelStore

FOLDER = "folder"  # the registration that opens any folder in HumanML3D's on-disk format


@dataclass(frozen=True)
class Choice:
    """What a user named; it can be pickled, so that another process opens the same.

    Attributes:
        dataset: registered name, or a folder in HumanML3D's on-disk format.
        root: folder of a dataset that is given by name.
        models: model folder.
        evaluator: folder of the official evaluator.
        checkpoints: backbone -> official checkpoint.
        encoders: backbone -> text encoder whose denoiser it samples from; an empty name speaks to all.
        plugins: files of further plugins.
        device, precision: what computes; None: as the settings say (:mod:`leadbench.core.device`).
        options: of plugins' parts, by the part's name; they win over the settings.
    """

    dataset: str
    root: Path | None = None
    models: Path | None = None
    evaluator: Path | None = None
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    plugins: tuple[Path, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)
    device: str | None = None
    precision: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def device_name(self) -> str:
        """Device by its name, options first, then the settings."""
        return settings().device if self.device is None else self.device

    def compute(self) -> Compute:
        """Device and precision, options first, then the settings.

        Raises:
            ConfigError, UnknownNameError: there is no such device here, or no such precision.
        """
        return chosen_compute(self.device, self.precision)


def chosen_compute(device: str | None = None, precision: str | None = None) -> Compute:
    """Device and precision that were asked for, by the settings where they are None.

    Raises:
        ConfigError, UnknownNameError: there is no such device here, or no such precision.
    """
    found = settings()
    where = "device (leadbench.toml or LEADBENCH_DEVICE)" if device is None else "--device"
    return compute_for(found.device if device is None else device, precision or found.precision, where)


@dataclass(frozen=True, eq=False)
class Opened:
    """A dataset with its models, and the plugins they came from."""

    dataset: MotionDataset
    root: Path
    models: ModelStore
    plugins: Plugins


def open_assets(choice: Choice, *, strict: bool = False) -> Opened:
    """Open everything that a choice names; models are read when they are used.

    Raises:
        ConfigError: no such dataset, folder or device, or a name without a folder.
        UnknownNameError: a checkpoint is given for a backbone that nobody registered.
        DataError: the folder is not in the format.
        PluginError: a plugin does not load (with ``strict``), or its factory returns no MotionDataset.
    """
    compute = choice.compute()
    plugins = load_plugins(choice.plugins, strict=strict)
    set_options(plugins, choice.options)
    choice = fetched(choice)
    name, root, known = _locate(choice, plugins)
    dataset = plugins.dataset(name, root)
    for given in choice.checkpoints:
        if given not in plugins.names("backbone"):
            raise unknown_name("backbone", given, plugins.names("backbone"), where="--checkpoint")
    for given, encoder in choice.encoders.items():
        plugins.get("text_encoder", encoder, "--text-encoder")
        if given:
            plugins.get("backbone", given, "--text-encoder")
    official = OfficialFiles(
        checkpoints={**known.checkpoints, **choice.checkpoints},
        evaluator=choice.evaluator or known.evaluator,
        glove=None if (glove := settings().glove) is None else local_copy(glove),
        motion=dataset.motion,
        dataset=dataset.name,
    )
    models = model_store(choice.models or known.models or root / "models", plugins, official, compute)
    models.encoders, models.dataset = choice.encoders, dataset
    return Opened(dataset, root, models, plugins)


def require_models(opened: Opened) -> None:
    """Make sure that models can be written where they are read from.

    Raises:
        ConfigError: the folder cannot be written, or is a copy of what lies in a store.
    """
    if is_copy(opened.models.folder):
        raise ConfigError("--models: lies in a store, and is only read from there; name a folder here (leadbench pull)")
    require_output(opened.models.folder, "--models")


def model_store(
    folder: Path, plugins: Plugins, official: OfficialFiles | None = None, compute: Compute = CPU
) -> ModelStore:
    """A model folder whose text encoders come from plugins."""
    sources = EncoderSources(
        identity=partial(_encoder_identity, plugins),
        worth_keeping=partial(_worth_keeping, plugins),
        folder=cache_folder() / "captions" if settings().keep_captions else None,
    )
    made = ModelStore(folder, plugins.text_encoder, official, sources, compute)
    made.spaces = plugins.autoencoder
    return made


def set_options(plugins: Plugins, given: Mapping[str, Mapping[str, Any]]) -> None:
    """Say what a user said of the options of parts, over what the settings say.

    Raises:
        UnknownNameError: nobody registered a part of that name.
        ConfigError: no part of that name takes options.
    """
    for name, values in given.items():
        found = plugins.named(name, f"--option {name}.{next(iter(values), '')}")
        if all(registration.options is None for registration in found):
            raise ConfigError(f"--option {name}.{next(iter(values), '')}: {name!r} takes no options")
    told = settings().options
    plugins.options = {name: {**told.get(name, {}), **given.get(name, {})} for name in {**told, **given}}


def locate_dataset(choice: Choice, plugins: Plugins) -> tuple[str, Path]:
    """Registration and folder of the dataset that a choice names; a folder is opened as it is.

    Raises:
        ConfigError: see :func:`open_assets`.
    """
    name, root, _ = _locate(fetched(choice), plugins)
    return name, root


def fetched(choice: Choice) -> Choice:
    """The same with a copy here of everything that is named by URL.

    Raises:
        ConfigError, DataError: no such kind of store, or there is nothing.
    """
    return replace(
        choice,
        dataset=choice.dataset if url_of(choice.dataset) is None else str(local_copy(choice.dataset)),
        root=None if choice.root is None else local_copy(choice.root),
        models=None if choice.models is None else local_copy(choice.models),
        evaluator=None if choice.evaluator is None else local_copy(choice.evaluator),
        checkpoints={name: local_copy(file) for name, file in choice.checkpoints.items()},
    )


def _fetched_settings(known: DatasetSettings) -> DatasetSettings:
    """The same of what leadbench.toml says of a dataset."""
    return DatasetSettings(
        root=None if known.root is None else local_copy(known.root),
        models=None if known.models is None else local_copy(known.models),
        evaluator=None if known.evaluator is None else local_copy(known.evaluator),
        checkpoints={name: local_copy(file) for name, file in known.checkpoints.items()},
    )


def _locate(choice: Choice, plugins: Plugins) -> tuple[str, Path, DatasetSettings]:
    names = plugins.names("dataset")
    known = _fetched_settings(dataset_settings(choice.dataset)) if choice.dataset in names else DatasetSettings()
    root = choice.root or known.root
    path = Path(choice.dataset)
    if choice.dataset in names and root is not None:
        return choice.dataset, root, known
    if path.is_dir():
        if choice.root is not None:
            raise ConfigError(f"--root {choice.root}: --dataset {path} is a folder already; leave one out")
        return FOLDER, path, known
    if choice.dataset in names:
        variable = f"LEADBENCH_DATASETS__{choice.dataset.upper()}__ROOT"
        raise ConfigError(
            f"--dataset {choice.dataset}: where is it? Give --root, or set datasets.{choice.dataset}.root in "
            f"leadbench.toml, or {variable}"
        )
    guess = nearest(choice.dataset, names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    raise DataError(f"dataset {path}: no such folder, nor a dataset's name (named: {', '.join(names)}{hint})")


def _encoder_identity(plugins: Plugins, name: str) -> str | None:
    """What tells an encoder as it is now from others of its name, without loading it; None: it does not say."""
    registration = plugins.get("text_encoder", name)
    named = registration.identity if isinstance(registration, TextEncoderRegistration) else None
    if named is None:
        return None
    context = plugins.context("text_encoder", name)
    try:
        told = imported(named)(context)
    except (ImportError, AttributeError):  # packages that are missing; making the encoder tells which
        return None
    return told if told is None or context.options is None else f"{told} {all_values(context.options)}"


def _worth_keeping(plugins: Plugins, name: str) -> bool:
    registration = plugins.get("text_encoder", name)
    return isinstance(registration, TextEncoderRegistration) and registration.keep
