"""One function per ``leadbench train`` command: load what the stage needs, train, write weights and card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from leadbench.core.contracts import (
    Backbone,
    Evaluator,
    MotionAutoencoder,
    ProjectorContext,
)
from leadbench.core.device import place_of
from leadbench.core.direct import require_latent
from leadbench.core.errors import unknown_name
from leadbench.core.presets import projector_stage
from leadbench.core.provenance import fingerprint
from leadbench.core.random import stream
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionSpec
from leadbench.data.humanml3d import collate, draw
from leadbench.metrics.retrieval import r_precision
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.evaluator import CONTACTS
from leadbench.plugins.manager import Plugins
from leadbench.training.autoencoder import AutoencoderTask, reconstruction_error, standardize_latents
from leadbench.training.consistency import ConsistencyTask
from leadbench.training.diffusion import DiffusionTask
from leadbench.training.evaluator import EvaluatorTask
from leadbench.training.length import LengthTask
from leadbench.training.motionclip import MotionClipTask, match_text_length
from leadbench.training.projector import ProjectorTask
from leadbench.training.tmr import TmrTask
from leadbench.training.workshop import CardFields, Workshop, dumped, options_input
from leadbench.zoo.files import load_model, save_model
from leadbench.zoo.loaded import latent_fingerprint
from leadbench.zoo.projectors import LEAD

EVALUATORS = ("guo", "guo-essential", "tmr")


def train_autoencoder(shop: Workshop) -> Path:
    """Stage 1: writes ``autoencoder.safetensors``."""
    width = shop.dataset.motion.width
    stage = shop.preset.autoencoder
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update={"features": width})})
    spec = shop.motion
    with shop.initial(stage, "autoencoder"):
        task = AutoencoderTask(stage, spec, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage)
    assert isinstance(task.model, MotionVAE)
    if stage.standardize:
        standardize_latents(task.model, spec, shop.split("train"))
    final = reconstruction_error(task.model, spec, shop.split("val"))
    state.history.append({"step": float(state.best_step), "selected": 1.0, **vars(final)})
    return shop.save(task, stage, state, _space_links(task.model, spec))


def train_motionclip(shop: Workshop, encoder: str) -> Path:
    """MotionCLIP's autoencoder, aligned with a text encoder that stays frozen: writes ``motionclip.safetensors``.

    It is a latent space of its own, beside that of ``autoencoder``.
    """
    spec, text = shop.motion, shop.store.text_encoder(encoder)
    widths = {"features": spec.width, "latent_width": text.dim}
    stage = shop.preset.motionclip
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    with shop.initial(stage, "motionclip"):
        task = MotionClipTask(stage, spec, text, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage, {"text encoder": text.identity})
    assert isinstance(task.model, MotionVAE)
    match_text_length(task.model, spec, shop.split("train"))
    return shop.save(task, stage, state, {**_space_links(task.model, spec), "text_encoder": encoder})


def _space_links(model: MotionVAE, spec: MotionSpec) -> dict[str, str]:
    return {"latent": latent_fingerprint(model, spec), "skeleton": spec.skeleton, "fps": str(spec.fps)}


def train_diffusion(shop: Workshop, encoder: str) -> Path:
    """Stage 2: writes ``diffusion-ENCODER.safetensors``."""
    train, val = shop.latents(encoder)
    stage = shop.preset.diffusion
    architecture = stage.architecture.model_copy(update=_denoiser_widths(shop, encoder))
    stage = stage.model_copy(update={"architecture": architecture})
    with shop.initial(stage, f"diffusion-{encoder}"):
        task = DiffusionTask(stage, train, val)
    state = shop.train(task, stage, _latent_inputs(shop, encoder))
    return shop.save(task, stage, state, _latent_links(shop, encoder))


def train_consistency(shop: Workshop, encoder: str) -> Path:
    """Distil ``diffusion-ENCODER`` to ``consistency-ENCODER.safetensors``."""
    teacher, _ = shop.store.denoiser(shop.store.catalog.of_encoder("diffusion", encoder).name)
    train, val = shop.latents(encoder)
    stage = shop.preset.consistency
    architecture = stage.architecture.model_copy(update=_denoiser_widths(shop, encoder))
    stage = stage.model_copy(update={"architecture": architecture})
    with shop.initial(stage, f"consistency-{encoder}"):
        task = ConsistencyTask(stage, teacher, train, val)
    inputs = {**_latent_inputs(shop, encoder), "teacher": fingerprint(dict(teacher.state_dict()))}
    state = shop.train(task, stage, inputs)
    return shop.save(task, stage, state, _latent_links(shop, encoder))


def projector_name(backbone: str | None, variant: str, kind: str = LEAD) -> str:
    """Name of a projector's file, without its ending; no two projectors share one. It is for people: cards tell.

    >>> projector_name(None, "full"), projector_name("mld", "no-rec"), projector_name(None, "full", "mine")
    ('projector', 'projector-mld.no-rec', 'mine.projector')
    """
    name = "projector" if backbone is None else f"projector-{backbone}"
    name = name if variant == "full" else f"{name}.{variant}"
    return name if kind == LEAD else f"{kind}.{name}"


@dataclass(frozen=True)
class ProjectorJob:
    """What ``leadbench train projector`` trains.

    Attributes:
        encoder: text space to align to; None: the backbone's, or the preset's teacher's.
        variant: ``full``, or what is changed for the ablation.
        backbone: name and backbone whose latent space it is for; None: the folder's autoencoder.
        kind: registered name of the projector.
    """

    encoder: str | None = None
    variant: str = "full"
    backbone: tuple[str, Backbone] | None = None
    kind: str = LEAD


def train_projector(shop: Workshop, plugins: Plugins, job: ProjectorJob = ProjectorJob()) -> Path:
    """Stage 3: writes ``projector.safetensors`` or the like; everything else stays frozen.

    Raises:
        UnknownNameError: no such variant or kind of projector.
        PluginError: projectors of that kind cannot be trained here.
    """
    stage = projector_stage(shop.preset.projector, job.variant)
    plugins.get("projector", job.kind, "--projector")
    owner, backbone = job.backbone or (None, None)
    if backbone is not None:
        require_latent(backbone, "a projector")
    space: MotionAutoencoder = shop.store.autoencoder() if backbone is None else backbone.autoencoder
    teacher = shop.preset.teacher_encoder if backbone is None else backbone.text_encoder.name
    encoder = job.encoder or teacher
    latents = shop.latents(encoder, space)
    width = shop.store.text_encoder(encoder).dim
    widths = {"text_width": width, "latent_tokens": space.latent.tokens, "latent_width": space.latent.width}
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    options = plugins.context("projector", job.kind).options
    context = ProjectorContext(space.latent, space.fingerprint, encoder, width, stage, options)
    name = projector_name(owner, job.variant, job.kind)
    with shop.initial(stage, name):
        projector = plugins.new_projector(job.kind, context)
    task = ProjectorTask(stage, latents, projector, name)
    text_identity = shop.store.text_encoder(encoder).identity
    inputs = {"latent space": space.fingerprint, "text encoder": text_identity, **options_input(options)}
    state = shop.train(task, stage, inputs)
    links = {"latent": space.fingerprint, "text_encoder": encoder}
    variant = None if job.variant == "full" else job.variant
    fields = CardFields("projector", job.kind, variant, owner, dumped(options))
    return shop.save(task, stage, state, links, fields)


def train_length(shop: Workshop, encoder: str) -> Path:
    """The predictor of lengths: writes ``length-ENCODER.safetensors``."""
    text = shop.store.text_encoder(encoder)
    stage = shop.preset.length
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update={"text_width": text.dim})})
    with shop.initial(stage, f"length-{encoder}"):
        task = LengthTask(stage, shop.motion, text, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage, {"text encoder": text.identity})
    return shop.save(task, stage, state, {"text_encoder": encoder, "fps": str(shop.motion.fps)})


def train_evaluator(shop: Workshop, kind: str = "guo") -> Path:
    """An evaluator: writes ``evaluator.safetensors`` (``guo``), ``evaluator-essential`` or ``evaluator-tmr``.

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in EVALUATORS:
        raise unknown_name("evaluator", kind, EVALUATORS, where="--kind")
    path = _train_tmr(shop) if kind == "tmr" else _train_guo(shop, kind)
    _add_real_row(shop, path, shop.store.tmr() if kind == "tmr" else shop.store.evaluator(path.stem))
    return path


def _train_guo(shop: Workshop, kind: str) -> Path:
    """Networks of Guo et al. on all features, or on the essential ones.

    They leave out the last features of a frame, which are contacts; of the essential ones there are as many more.
    """
    spec = shop.dataset.motion
    essential = kind == "guo-essential"
    width = get_skeleton(spec.skeleton).essential_features + CONTACTS if essential else spec.width
    stage = shop.preset.evaluator
    architecture = stage.architecture.model_copy(update={"features": width})
    stage = stage.model_copy(update={"architecture": architecture})
    name = "evaluator-essential" if essential else "evaluator"
    with shop.initial(stage, name):
        task = EvaluatorTask(stage, shop.motion, shop.split("train"), shop.split("val"), name)
    state = shop.train(task, stage, {"word vectors": task.words_identity})
    return shop.save(task, stage, state, _evaluator_links(shop, kind), CardFields("evaluator", kind))


def _train_tmr(shop: Workshop) -> Path:
    encoder = shop.store.text_encoder(shop.preset.teacher_encoder)
    stage = shop.preset.tmr
    widths = {"features": shop.dataset.motion.width, "text_width": encoder.dim}
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    with shop.initial(stage, "evaluator-tmr"):
        task = TmrTask(stage, shop.motion, encoder, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage, {"text encoder": encoder.identity})
    return shop.save(
        task,
        stage,
        state,
        {**_evaluator_links(shop, "tmr"), "text_encoder": encoder.name},
        CardFields("evaluator", "tmr"),
    )


def _evaluator_links(shop: Workshop, kind: str) -> dict[str, str]:
    spec = shop.dataset.motion
    return {"name": f"{kind}-{shop.preset.name}", "skeleton": spec.skeleton, "fps": str(spec.fps)}


def _add_real_row(shop: Workshop, path: Path, evaluator: Evaluator) -> None:
    """Write R-precision and MM-Dist of the test split's real motions into the evaluator's card.

    It is a report, not a selection: weights are chosen on the validation split.
    """
    drawn = draw(shop.split("test"), seed=0, replication=0)
    text = evaluator.embed_text([item.caption for item in drawn])
    motions = [collate([item.features]).to(place_of(evaluator)).normalize(evaluator.motion) for item in drawn]
    motion = torch.cat([evaluator.embed_motion(batch) for batch in motions])
    order = torch.from_numpy(stream(0, "pools", 0).permutation(len(drawn)))
    found = r_precision(text, motion, order=order)
    real = None if found is None else {"r_precision": list(found.top), "mm_dist": found.matching_score}
    tensors, card = load_model(path)
    save_model(path, tensors, card.model_copy(update={"metrics": {**card.metrics, "real_test": real}}))


def _denoiser_widths(shop: Workshop, encoder: str) -> dict[str, int]:
    latent = shop.store.autoencoder().latent
    return {
        "latent_tokens": latent.tokens,
        "latent_width": latent.width,
        "text_width": shop.store.text_encoder(encoder).dim,
    }


def _latent_inputs(shop: Workshop, encoder: str) -> dict[str, str]:
    return {
        "latent space": shop.store.autoencoder().fingerprint,
        "text encoder": shop.store.text_encoder(encoder).identity,
    }


def _latent_links(shop: Workshop, encoder: str) -> dict[str, str]:
    return {"latent": shop.store.autoencoder().fingerprint, "text_encoder": encoder}
