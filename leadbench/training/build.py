"""``leadbench zoo build``: corpus, every training and the packed result, in processes that run side by side."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from leadbench.core.contracts import TextEncoder
from leadbench.core.errors import LatentMismatchError
from leadbench.core.presets import Preset, get_preset
from leadbench.core.processes import begin_worker
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.plugins.manager import load_plugins
from leadbench.training import stages
from leadbench.training.loop import Progress
from leadbench.training.plugin_stages import train_backbone
from leadbench.training.workshop import Workshop
from leadbench.zoo.assets import chosen_compute
from leadbench.zoo.embedded import write_manifest
from leadbench.zoo.files import card_path, load_model
from leadbench.zoo.store import ModelStore

_FLOW = "flow"  # a backbone of a plugin that ships with the others
_EVERY_SECONDS = 30.0
_TRAINERS: Mapping[str, Callable[[Workshop, str], Path]] = {
    "autoencoder": lambda shop, _: stages.train_autoencoder(shop),
    "evaluator": lambda shop, _: stages.train_evaluator(shop),
    "diffusion": stages.train_diffusion,
    "consistency": stages.train_consistency,
    "length": stages.train_length,
}


@dataclass(frozen=True)
class Job:
    """One training: the model it writes, its stage, and the text encoder where the stage takes one."""

    model: str
    stage: str
    encoder: str = ""


def plan(preset: Preset) -> tuple[tuple[Job, ...], ...]:
    """Waves of trainings; those of a wave need nothing of each other."""
    teacher, student = preset.teacher_encoder, preset.student_encoder
    return (
        (Job("autoencoder", "autoencoder"), Job("evaluator", "evaluator")),
        (
            Job(f"diffusion-{teacher}", "diffusion", teacher),
            Job(f"diffusion-{student}", "diffusion", student),
        ),
        (
            Job(f"consistency-{student}", "consistency", student),
            Job("projector", "projector", teacher),
            Job(f"backbone-{_FLOW}", "backbone"),
            Job(f"length-{student}", "length", student),
        ),
    )


def shipped_models(preset: Preset) -> tuple[str, ...]:
    """What a packed set holds; the student's teacher was only needed to train the student."""
    needed = (f"diffusion-{preset.teacher_encoder}", f"consistency-{preset.student_encoder}")
    return ("autoencoder", *needed, f"backbone-{_FLOW}", "projector", "evaluator", f"length-{preset.student_encoder}")


def build(
    name: str,
    work: Path,
    out: Path,
    *,
    jobs: int = 2,
    corpus: SynthesisOptions | None = None,
    say: Callable[[str], None] = print,
    device: str | None = None,
) -> None:
    """Make the shipped set ``name`` from nothing; what an earlier call finished is not done again.

    Args:
        name: preset.
        work: folder for corpus, models and checkpoints.
        out: folder for the packed files.
        jobs: trainings at a time; 1: in this process.
        corpus: what is generated; default: the embedded corpus.
        say: called with every step that is reached.
        device: what computes; None: as the settings say.

    Raises:
        UnknownNameError: no such preset.
        ConfigError: no such device here.
    """
    preset = get_preset(name)
    chosen_compute(device)
    data, models = work / "data", work / "models"
    if not data.is_dir():
        say("generating the corpus")
        data.parent.mkdir(parents=True, exist_ok=True)
        synthesize(data, corpus or SynthesisOptions(workers=jobs))
    dataset = HumanML3DFolder(data)
    for wave in plan(preset):
        left = [job for job in wave if not _done(job.model, models, preset, dataset)]
        for job in wave:
            say(f"{job.model}: {'training' if job in left else 'is there'}")
        for path in _run_wave([(job, name, data, models, device) for job in left], jobs):
            say(f"wrote {path.name}")
    pack(models, out, shipped_models(preset))
    say(f"packed into {out}")


def _run_wave(arguments: list[_Arguments], jobs: int) -> Iterator[Path]:
    if jobs == 1:
        yield from map(_train, arguments)
        return
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), begin_worker, (threads,)) as pool:
        yield from pool.map(_train, arguments)


def pack(models: Path, out: Path, names: tuple[str, ...]) -> None:
    """Copy models with their cards and write the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name in names:
        weights = models / f"{name}.safetensors"
        for path in (weights, card_path(weights)):
            shutil.copyfile(path, out / path.name)
            files.append(path.name)
    write_manifest(out, files)


def load_all(folder: Path, name: str) -> list[str]:
    """Load every model of a packed set; returns their names.

    Raises:
        WeightsError, LatentMismatchError: a file does not load, or belongs to another latent space.
    """
    store = ModelStore(folder, load_no_encoder)
    preset = get_preset(name)
    fingerprint = store.autoencoder().fingerprint
    store.evaluator()
    store.check_length(f"length-{preset.student_encoder}")
    projector = store.projector()
    if projector.latent_fingerprint != fingerprint:
        raise LatentMismatchError(f"{folder}: the projector belongs to another latent space than the autoencoder")
    for model in shipped_models(preset):
        if model.startswith(("diffusion", "consistency")):
            store.denoiser(model)
        if model.startswith("backbone"):
            store.check_space(model, store.autoencoder())
            load_model(store.path(model))
            store.note_use(model, store.path(model))
    return list(store.used)


def _done(model: str, models: Path, preset: Preset, dataset: HumanML3DFolder) -> bool:
    """Whether a model was trained by this preset on this dataset, in the latent space that is there now."""
    store = ModelStore(models, load_no_encoder)
    if not store.has(model):
        return False
    card = store.card(model)
    fits = card.preset == preset.name and card.links.get("dataset_identity") == dataset.identity
    fits = fits and _as_preset(getattr(preset, card.stage, None), card.config)
    if not fits or card.stage in ("autoencoder", "evaluator", "length"):
        return fits
    return store.has("autoencoder") and card.links.get("latent") == store.autoencoder().fingerprint


def _as_preset(stage: BaseModel | None, config: Mapping[str, Any]) -> bool:
    """Whether a card's configuration is that of a stage of the preset as it is now, in all that both name.

    Architectures are left out: widths that depend on data or encoder are filled in when a stage starts.
    """
    wanted = {} if stage is None else stage.model_dump(mode="json", exclude={"architecture"})
    return _alike(wanted, config)


def _alike(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    for key in set(wanted) & set(found):
        one, other = wanted[key], found[key]
        both = isinstance(one, Mapping) and isinstance(other, Mapping)
        if not (_alike(one, other) if both else one == other):
            return False
    return True


def load_no_encoder(name: str, models: ModelStore) -> TextEncoder:
    """A store made with this reads weights only.

    Raises:
        LookupError: always.
    """
    raise LookupError(f"models {models.folder}: no text encoder {name!r} is needed here")


_Arguments = tuple[Job, str, Path, Path, str | None]


def _train(arguments: _Arguments) -> Path:
    job, preset, data, models, device = arguments
    plugins = load_plugins()
    store = ModelStore(models, plugins.text_encoder, compute=chosen_compute(device))
    store.dataset = HumanML3DFolder(data)
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        if progress.step == progress.steps or time.monotonic() - last > _EVERY_SECONDS:
            last = time.monotonic()
            minutes = progress.seconds_left / 60
            print(f"{job.model}: {progress.step}/{progress.steps}, {minutes:.0f} min left", file=sys.stderr, flush=True)

    shop = Workshop(HumanML3DFolder(data), get_preset(preset), store, report=report, replace=True)
    if job.stage == "backbone":
        return train_backbone(shop, plugins, job.model.partition("-")[2])
    if job.stage == "projector":
        return stages.train_projector(shop, plugins, stages.ProjectorJob(job.encoder))
    return _TRAINERS[job.stage](shop, job.encoder)
