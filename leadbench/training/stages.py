"""One function per ``leadbench train`` command: load what the stage needs, train, write weights and card."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from leadbench.core.config import (
    AutoencoderStage,
    ConsistencyStage,
    DiffusionStage,
    EvaluatorStage,
    FrozenModel,
    MotionClipStage,
    ProjectorStage,
    TmrStage,
)
from leadbench.core.contracts import (
    Backbone,
    Evaluator,
    MotionAutoencoder,
    MotionDataset,
    ProjectorContext,
    TrainableBackbone,
)
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.files import locked
from leadbench.core.presets import Preset, projector_stage
from leadbench.core.provenance import collect_provenance, fingerprint
from leadbench.core.random import seeded, stream
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.digest import samples_digest
from leadbench.data.humanml3d import collate, draw
from leadbench.metrics.retrieval import r_precision
from leadbench.nn.autoencoder import MotionVAE
from leadbench.plugins.manager import Plugins
from leadbench.training.autoencoder import AutoencoderTask, reconstruction_error, standardize_latents
from leadbench.training.backbone import BackboneTask
from leadbench.training.checkpoint import CheckpointFile
from leadbench.training.consistency import ConsistencyTask
from leadbench.training.diffusion import DiffusionTask
from leadbench.training.evaluator import EvaluatorTask
from leadbench.training.identity import training_identity
from leadbench.training.latents import LatentSet, build_latent_set
from leadbench.training.loop import Progress, Task, Trainer, TrainState
from leadbench.training.motionclip import MotionClipTask, match_text_length
from leadbench.training.projector import ProjectorTask
from leadbench.training.tmr import TmrTask
from leadbench.zoo.files import ModelCard, load_model, save_model
from leadbench.zoo.loaded import latent_fingerprint
from leadbench.zoo.projectors import LEAD
from leadbench.zoo.store import ModelStore, with_statistics

Reporter = Callable[[Progress], None]
AnyStage = (
    AutoencoderStage | DiffusionStage | ConsistencyStage | ProjectorStage | EvaluatorStage | TmrStage | MotionClipStage
)

EVALUATORS = ("guo", "tmr")


@dataclass(frozen=True)
class CardFields:
    """What a stage's card says of the model beside its links; see :class:`leadbench.zoo.files.ModelCard`."""

    stage: str
    kind: str | None = None
    variant: str | None = None
    backbone: str | None = None


@dataclass
class Workshop:
    """What the stages of one preset share: dataset, preset, model folder.

    Args:
        dataset: training data.
        preset: configuration of all stages.
        store: model folder; stages read their predecessors from it and write to it.
        report: called after every step.
        skip_bad: leave out motions with NaN instead of refusing them.
        restart: begin every training anew, whatever checkpoint there is.
        replace: begin anew where a checkpoint is of another training, instead of refusing it.
        say: called with a line that the user should see.
    """

    dataset: MotionDataset
    preset: Preset
    store: ModelStore
    report: Reporter | None = None
    skip_bad: bool = False
    restart: bool = False
    replace: bool = False
    say: Callable[[str], None] = lambda _: None
    _splits: dict[str, list[MotionSample]] = field(default_factory=dict)
    _latents: dict[tuple[str, str], tuple[LatentSet, LatentSet]] = field(default_factory=dict)

    def split(self, name: str) -> list[MotionSample]:
        """Samples of a split, read once."""
        if name not in self._splits:
            self._splits[name] = self.dataset.load(name, skip_bad=self.skip_bad)[0]
        return self._splits[name]

    def latents(self, encoder: str, autoencoder: MotionAutoencoder | None = None) -> tuple[LatentSet, LatentSet]:
        """Train and validation latents with the captions embedded by ``encoder``, made once.

        ``autoencoder`` is the folder's unless one is given.
        """
        space = autoencoder or self.store.autoencoder()
        key = (encoder, space.fingerprint)
        if key not in self._latents:
            text = self.store.text_encoder(encoder)
            train, val = (build_latent_set(space, text, self.split(s)) for s in ("train", "val"))
            self._latents[key] = (train, val)
        return self._latents[key]

    def initial(self, stage: AnyStage, name: str) -> AbstractContextManager[None]:
        """Within it a network gets the initial weights that the training ``name`` always begins with."""
        return seeded(stage.loop.seed, f"initial:{name}")

    def train(self, task: Task, stage: AnyStage, inputs: Mapping[str, str] | None = None) -> TrainState:
        """Run the shared loop with a checkpoint under the model folder.

        ``inputs`` are the identities of what the training reads beside the dataset.
        """
        splits = {name: samples_digest(self.split(name), self.dataset.motion) for name in ("train", "val")}
        of = training_identity(task.model, stage, splits, inputs or {})
        file = self.store.folder / "checkpoints" / f"{task.name}.pt"
        checkpoint = CheckpointFile(file, of, self.restart, self.replace, self.say)
        with locked(
            file.with_suffix(".lock"), lambda: self.say(f"{task.name}: another process trains it here; waiting for it")
        ):
            state = Trainer(stage.optimizer, stage.loop, checkpoint).run(task, self.report)
        if self.preset.half:
            round_to_half(task.model)
        return state

    def save(
        self, task: Task, stage: FrozenModel, state: TrainState, links: dict[str, str], card: CardFields | None = None
    ) -> Path:
        """Write the weights with their card."""
        path, model = self.store.path(task.name), task.model
        fields = card or CardFields(task.name.partition("-")[0])
        tensors = dict(model.state_dict())
        if self.preset.half:
            parameters = {name for name, _ in model.named_parameters()}
            tensors = {name: t.half() if name in parameters else t for name, t in tensors.items()}
        if fields.stage in ("autoencoder", "evaluator", "motionclip"):
            tensors = with_statistics(tensors, self.dataset.motion)
        written = ModelCard(
            **asdict(fields),
            text_encoder=links.get("text_encoder"),
            latent=links.get("latent"),
            preset=self.preset.name,
            overrides=self.preset.overrides,
            config=stage.model_dump(mode="json"),
            links={"dataset": self.dataset.name, "dataset_identity": self.dataset.identity, **links},
            metrics={
                "best_step": state.best_step,
                "best_score": state.best_score,
                "history": state.history,
                "parameters": sum(p.numel() for p in model.parameters()),
            },
            provenance={
                "training_seconds": round(state.seconds, 1),
                "finished": time.strftime("%Y-%m-%d"),
                **collect_provenance(),
            },
        )
        save_model(path, tensors, written)
        return path


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round parameters to float16 values: what later stages see is then what is stored."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())


def train_autoencoder(shop: Workshop) -> Path:
    """Stage 1: writes ``autoencoder.safetensors``."""
    width = shop.dataset.motion.width
    stage = shop.preset.autoencoder
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update={"features": width})})
    spec = shop.dataset.motion
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
    spec, text = shop.dataset.motion, shop.store.text_encoder(encoder)
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


def train_backbone(shop: Workshop, plugins: Plugins, name: str) -> Path:
    """Stage 2 for a plugin's backbone, by its registered name: writes ``backbone-NAME.safetensors``.

    Raises:
        ConfigError: the backbone does not implement ``TrainableBackbone``.
    """
    stage = shop.preset.diffusion
    with shop.initial(stage, f"backbone-{name}"):
        backbone = plugins.backbone(name, shop.store)
    if not isinstance(backbone, TrainableBackbone) or not isinstance(backbone.network, nn.Module):
        raise ConfigError(
            f"--backbone {name}: cannot be trained here: it needs training_loss and network, the torch module to train "
            f"(leadbench.core.contracts.TrainableBackbone)"
        )
    encoder = backbone.text_encoder.name
    train, val = shop.latents(encoder)
    task = BackboneTask(name, backbone, stage, train, val)
    state = shop.train(task, stage, _latent_inputs(shop, encoder))
    return shop.save(task, stage, state, _latent_links(shop, encoder), CardFields("backbone", kind=name))


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
    space: MotionAutoencoder = shop.store.autoencoder() if backbone is None else backbone.autoencoder
    teacher = shop.preset.teacher_encoder if backbone is None else backbone.text_encoder.name
    encoder = job.encoder or teacher
    latents = shop.latents(encoder, space)
    width = shop.store.text_encoder(encoder).dim
    widths = {"text_width": width, "latent_tokens": space.latent.tokens, "latent_width": space.latent.width}
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    context = ProjectorContext(space.latent, space.fingerprint, encoder, width, stage)
    name = projector_name(owner, job.variant, job.kind)
    with shop.initial(stage, name):
        projector = plugins.new_projector(job.kind, context)
    task = ProjectorTask(stage, latents, projector, name)
    text_identity = shop.store.text_encoder(encoder).identity
    state = shop.train(task, stage, {"latent space": space.fingerprint, "text encoder": text_identity})
    links = {"latent": space.fingerprint, "text_encoder": encoder}
    fields = CardFields("projector", job.kind, None if job.variant == "full" else job.variant, owner)
    return shop.save(task, stage, state, links, fields)


def train_evaluator(shop: Workshop, kind: str = "guo") -> Path:
    """An evaluator: writes ``evaluator.safetensors`` (``guo``) or ``evaluator-tmr`` (``tmr``).

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in EVALUATORS:
        raise unknown_name("evaluator", kind, EVALUATORS, where="--kind")
    path = _train_guo(shop) if kind == "guo" else _train_tmr(shop)
    _add_real_row(shop, path, shop.store.evaluator() if kind == "guo" else shop.store.tmr())
    return path


def _train_guo(shop: Workshop) -> Path:
    stage = shop.preset.evaluator
    architecture = stage.architecture.model_copy(update={"features": shop.dataset.motion.width})
    stage = stage.model_copy(update={"architecture": architecture})
    with shop.initial(stage, "evaluator"):
        task = EvaluatorTask(stage, shop.dataset.motion, shop.split("train"), shop.split("val"))
    state = shop.train(task, stage, {"word vectors": task.words_identity})
    return shop.save(task, stage, state, _evaluator_links(shop, "guo"), CardFields("evaluator", "guo"))


def _train_tmr(shop: Workshop) -> Path:
    encoder = shop.store.text_encoder(shop.preset.teacher_encoder)
    stage = shop.preset.tmr
    widths = {"features": shop.dataset.motion.width, "text_width": encoder.dim}
    stage = stage.model_copy(update={"architecture": stage.architecture.model_copy(update=widths)})
    with shop.initial(stage, "evaluator-tmr"):
        task = TmrTask(stage, shop.dataset.motion, encoder, shop.split("train"), shop.split("val"))
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
    motions = [collate([item.features]).normalize(evaluator.motion) for item in drawn]
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
