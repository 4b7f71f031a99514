"""Trainings of plugins' own backbones and autoencoders."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from leadbench.core.contracts import (
    Backbone,
    MotionBackbone,
    TrainableAutoencoder,
    TrainableBackbone,
    TrainableMotionBackbone,
)
from leadbench.core.direct import DirectBackbone
from leadbench.core.errors import ConfigError
from leadbench.core.provenance import sha256_file
from leadbench.plugins.manager import Plugins
from leadbench.training.backbone import BackboneTask, MotionBackboneTask
from leadbench.training.own_autoencoder import OwnAutoencoderTask, reconstruction_of
from leadbench.training.workshop import CardFields, Workshop, dumped, options_input


def train_backbone(shop: Workshop, plugins: Plugins, name: str) -> Path:
    """Stage 2 for a plugin's backbone, by its registered name: writes ``backbone-NAME.safetensors``.

    It is trained in the latent space that it brings; one without a latent space is trained on motions.

    Raises:
        ConfigError: the backbone implements neither ``TrainableBackbone`` nor ``TrainableMotionBackbone``.
    """
    stage, file = shop.preset.diffusion, f"backbone-{name}"
    with shop.initial(stage, file), shop.store.untrained(file):
        made = plugins.backbone(name, shop.store)
        options = plugins.context("backbone", name, shop.store).options
    part: Backbone | MotionBackbone = made.inner if isinstance(made, DirectBackbone) else made
    contract = TrainableMotionBackbone if isinstance(made, DirectBackbone) else TrainableBackbone
    missing = [member for member in ("network", "training_loss") if not hasattr(part, member)]
    if not isinstance(part, contract) or not isinstance(part.network, nn.Module):
        what = f"it lacks {' and '.join(missing)}" if missing else "its network is no torch module"
        raise ConfigError(f"--backbone {name}: cannot be trained here: {what} (leadbench.{contract.__name__})")
    encoder = part.text_encoder.name
    text = shop.store.text_encoder(encoder)
    read = {f"file {key}": sha256_file(path) for key, path in shop.store.used.items()}  # a teacher's, for instance
    inputs = {"text encoder": text.identity, **options_input(options), **read}
    links = {"text_encoder": encoder}
    if isinstance(made, DirectBackbone):
        assert isinstance(part, TrainableMotionBackbone)
        splits = (shop.split("train"), shop.split("val"))
        task: BackboneTask | MotionBackboneTask = MotionBackboneTask(name, part, stage, splits, text)
        links |= {"skeleton": part.motion.skeleton, "fps": str(part.motion.fps)}
    else:
        assert isinstance(part, TrainableBackbone)
        space = part.autoencoder
        task = BackboneTask(name, part, stage, *shop.latents(encoder, space))
        inputs |= {"latent space": space.fingerprint}
        links |= {"latent": space.fingerprint}
    state = shop.train(task, stage, inputs)
    fields = CardFields("backbone", kind=name, options=dumped(options), statistics=isinstance(task, MotionBackboneTask))
    return shop.save(task, stage, state, links, fields)


def train_own_autoencoder(shop: Workshop, plugins: Plugins, name: str) -> Path:
    """Stage 1 for a plugin's autoencoder, by its registered name: writes ``autoencoder-NAME.safetensors``.

    Raises:
        ConfigError: it does not implement ``TrainableAutoencoder``.
    """
    stage, file = shop.preset.autoencoder, f"autoencoder-{name}"
    with shop.initial(stage, file), shop.store.untrained(file):
        part = plugins.autoencoder(name, shop.store)
        options = plugins.context("autoencoder", name, shop.store).options
    if not isinstance(part, TrainableAutoencoder) or not isinstance(part.network, nn.Module):
        raise ConfigError(
            f"--autoencoder {name}: cannot be trained here: it needs training_loss and network, a torch module "
            f"(leadbench.TrainableAutoencoder)"
        )
    task = OwnAutoencoderTask(name, part, stage, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage, options_input(options))
    part.network = task.model.eval()
    final = reconstruction_of(part, shop.split("val"))
    state.history.append({"step": float(state.best_step), "selected": 1.0, **vars(final)})
    spec = part.motion
    links = {"latent": part.fingerprint, "skeleton": spec.skeleton, "fps": str(spec.fps)}
    return shop.save(task, stage, state, links, CardFields("autoencoder", kind=name, options=dumped(options)))
