"""What the stages of one preset share: data and latents read once, checkpoints, and the writing of models."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from leadbench.core.config import (
    AutoencoderStage,
    ConsistencyStage,
    DiffusionStage,
    EvaluatorStage,
    FrozenModel,
    LengthStage,
    MotionClipStage,
    ProjectorStage,
    TmrStage,
)
from leadbench.core.contracts import (
    MotionAutoencoder,
    MotionDataset,
    Tracker,
)
from leadbench.core.device import Compute
from leadbench.core.files import locked
from leadbench.core.outputs import tell_output
from leadbench.core.presets import Preset
from leadbench.core.provenance import collect_provenance
from leadbench.core.random import seeded
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.digest import samples_digest
from leadbench.training.checkpoint import CheckpointFile
from leadbench.training.identity import training_identity
from leadbench.training.latents import LatentSet, build_latent_set
from leadbench.training.launch import LONE, Launch
from leadbench.training.loop import Progress, Task, Trainer, TrainState
from leadbench.training.tracking import tracked
from leadbench.zoo.files import ModelCard, save_model
from leadbench.zoo.store import ModelStore, with_statistics

Reporter = Callable[[Progress], None]
AnyStage = (
    AutoencoderStage
    | DiffusionStage
    | ConsistencyStage
    | ProjectorStage
    | EvaluatorStage
    | TmrStage
    | MotionClipStage
    | LengthStage
)


@dataclass(frozen=True)
class CardFields:
    """What a stage's card says of the model beside its links; see :class:`leadbench.zoo.files.ModelCard`.

    Attributes:
        options: of a plugin's part; they are kept in the configuration, so that whoever loads it need not repeat them.
        statistics: whether the file carries the statistics of features: whoever is trained on motions needs them.
    """

    stage: str
    kind: str | None = None
    variant: str | None = None
    backbone: str | None = None
    options: Mapping[str, Any] | None = None
    statistics: bool = False


def dumped(options: BaseModel | None) -> dict[str, Any] | None:
    """Options of a plugin's part as a card holds them."""
    return None if options is None else options.model_dump(mode="json")


def options_input(options: BaseModel | None) -> dict[str, str]:
    """The same as an input of a training."""
    return {} if options is None else {"options": json.dumps(dumped(options), sort_keys=True)}


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
        checkpoint_seconds: least time between two checkpoints.
        say: called with a line that the user should see.
        compile: compile transformer stacks.
        trackers: where figures go beside.
        launch: the processes that train together.
    """

    dataset: MotionDataset
    preset: Preset
    store: ModelStore
    report: Reporter | None = None
    skip_bad: bool = False
    restart: bool = False
    replace: bool = False
    checkpoint_seconds: float = 60.0
    say: Callable[[str], None] = lambda _: None
    compile: bool = False
    trackers: Sequence[Tracker] = ()
    launch: Launch = LONE
    _splits: dict[str, list[MotionSample]] = field(default_factory=dict)
    _latents: dict[tuple[str, str], tuple[LatentSet, LatentSet]] = field(default_factory=dict)

    @property
    def compute(self) -> Compute:
        """Where it trains, and what networks compute in: the model folder's."""
        return self.store.compute

    @property
    def motion(self) -> MotionSpec:
        """What the dataset's features mean, with its statistics on the device."""
        return self.dataset.motion.to(self.compute.device)

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
        precision = {} if self.compute.precision == "float32" else {"precision": self.compute.precision}
        of = training_identity(task.model, stage, splits, {**(inputs or {}), **precision})
        file = self.store.folder / "checkpoints" / f"{task.name}.pt"
        checkpoint = CheckpointFile(file, of, self.restart, self.replace, self.say)
        with self._only(task.name, file), self.launch.together(f"training {task.name}"):
            trainer = Trainer(
                stage.optimizer,
                stage.loop,
                checkpoint,
                self.checkpoint_seconds,
                compute=self.compute,
                compile=self.compile,
                say=self.say,
                launch=self.launch,
            )
            with tracked(self.trackers, task.name, stage.model_dump(mode="json"), self.report) as report:
                state = trainer.run(task, report)
        if self.preset.half:
            round_to_half(task.model)
        return state

    def _only(self, name: str, checkpoint: Path) -> AbstractContextManager[None]:
        """Within it nobody else trains this; of processes that train together the first one sees to that."""
        if not self.launch.first:
            return nullcontext()
        waiting = f"{name}: another process trains it here; waiting for it"
        return locked(checkpoint.with_suffix(".lock"), lambda: self.say(waiting))

    def save(
        self, task: Task, stage: FrozenModel, state: TrainState, links: dict[str, str], card: CardFields | None = None
    ) -> Path:
        """Write the weights with their card."""
        path, model = self.store.path(task.name), task.model
        fields = card or CardFields(task.name.partition("-")[0])
        tensors = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
        if self.preset.half:
            parameters = {name for name, _ in model.named_parameters()}
            tensors = {name: t.half() if name in parameters else t for name, t in tensors.items()}
        if fields.statistics or fields.stage in ("autoencoder", "evaluator", "motionclip"):
            tensors = with_statistics(tensors, self.dataset.motion)
        written = ModelCard(
            stage=fields.stage,
            kind=fields.kind,
            variant=fields.variant,
            backbone=fields.backbone,
            text_encoder=links.get("text_encoder"),
            latent=links.get("latent"),
            preset=self.preset.name,
            overrides=self.preset.overrides,
            config={**stage.model_dump(mode="json"), **({"options": fields.options} if fields.options else {})},
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
                **collect_provenance(self.store.compute),
            },
        )
        save_model(path, tensors, written)
        tell_output(path)
        return path


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Round parameters to float16 values: what later stages see is then what is stored."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())
