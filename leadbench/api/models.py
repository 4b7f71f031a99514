"""Opening datasets, backbones and projectors by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leadbench.core.contracts import Backbone, Projector
from leadbench.core.errors import ConfigError
from leadbench.generation.pipeline import realign
from leadbench.zoo.assets import Choice, Opened, open_assets
from leadbench.zoo.embedded import embedded_dataset, shipped
from leadbench.zoo.projectors import open_projector


def open_dataset(
    dataset: str | Path | None = None,
    *,
    root: str | Path | None = None,
    models: str | Path | None = None,
    checkpoints: Mapping[str, str | Path] | None = None,
    text_encoder: str | None = None,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    precision: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Opened:
    """A dataset with its models and plugins.

    Args:
        dataset: folder in HumanML3D's on-disk format, or a registered name; None: the embedded one, with the models
            that ship with leadbench. It is made on first use.
        root: folder of a dataset that is given by name.
        models: folder of trained models; None: ``DATASET/models``.
        checkpoints: official checkpoint files by backbone.
        text_encoder: whose denoiser backbones sample from, where a folder has several.
        plugins: Python files that are loaded as plugins.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``xpu``; None: as the settings say, by default the
            machine's accelerator.
        precision: ``float32``, ``tf32`` or ``bf16``: what networks compute in.
        options: of plugins' parts, by the part's name: ``{"mine": {"k": 5}}``.

    Raises:
        ConfigError, DataError, UnknownNameError, PluginError: something is not there or does not load.
    """
    embedded = dataset is None
    return open_assets(
        Choice(
            dataset=str(embedded_dataset() if embedded else dataset),
            root=None if root is None else Path(root),
            models=Path(models) if models is not None else shipped().folder if embedded else None,
            checkpoints={name: Path(file) for name, file in (checkpoints or {}).items()},
            plugins=tuple(map(Path, plugins)),
            encoders={} if text_encoder is None else {"": text_encoder},
            device=device,
            precision=precision,
            options=options or {},
        )
    )


def load_backbone(name: str, opened: Opened | None = None) -> Backbone:
    """A backbone by its registered name, from the models of a dataset; by default the embedded ones.

    Raises:
        UnknownNameError: no plugin registers it.
        WeightsError: it is not trained.

    >>> load_backbone("motionlcm").text_encoder.name
    'wordllama'
    """
    assets = open_dataset() if opened is None else opened
    return assets.plugins.backbone(name, assets.models)


def load_projector(backbone: Backbone, name: str = "auto", opened: Opened | None = None) -> Projector:
    """A projector of a backbone's latent space.

    Args:
        name: ``auto``, the registered name of a kind, a file, or ``NAME=FILE``.

    Raises:
        WeightsError: there is none.
        LatentMismatchError: it belongs to another latent space.

    >>> load_projector(load_backbone("motionlcm")).text_encoder
    'minilm'
    """
    assets = open_dataset() if opened is None else opened
    attached = open_projector(assets, backbone.autoencoder, name)
    if attached is None:
        raise ConfigError(f"models {assets.models.folder}: no projector of this latent space (allowed: a file, a name)")
    realign(attached.projector, backbone.autoencoder)
    return attached.projector
