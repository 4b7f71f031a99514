"""Captions to motions: what ``leadbench generate`` does, with learnt concepts in the captions or without."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from leadbench.core.contracts import Backbone, Projector
from leadbench.core.device import CPU, Compute, place_of
from leadbench.core.errors import ConfigError, NonFiniteError, unknown_name
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Condition, mask_of
from leadbench.data.humanml3d import FRAME_STEP
from leadbench.generation.concepts import Concept
from leadbench.generation.inversion import invertible
from leadbench.generation.pipeline import decode_latents, realign
from leadbench.motion.features import features_to_joints
from leadbench.text.placeholders import split_caption

MOST_FRAMES = 196
DEFAULT_FRAMES = 120
MOST_MOTIONS = 10_000  # of one caption
_LONGEST = 60  # bytes of a caption in a file name


@dataclass(frozen=True)
class GenerateRequest:
    """What is generated.

    Attributes:
        captions: may hold ``<name>`` of a concept.
        frames: length of every motion, or of each caption's: a multiple of 4, at most 196 as in the training data.
        count: motions of each caption.
        steps, guidance: None: the backbone's defaults.
        seed: of the noise.
    """

    captions: tuple[str, ...]
    frames: int | tuple[int, ...] = DEFAULT_FRAMES
    count: int = 1
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.frames, int) and len(self.frames) != len(self.captions):
            raise ConfigError(f"frames: {len(self.frames)} lengths for {len(self.captions)} captions")
        for frames in self.lengths:
            if frames % FRAME_STEP or not FRAME_STEP <= frames <= MOST_FRAMES:
                raise ConfigError(
                    f"frames {frames}: must be a multiple of {FRAME_STEP}, from {FRAME_STEP} to {MOST_FRAMES}"
                )
        if self.guidance is not None and not math.isfinite(self.guidance):
            raise ConfigError(f"guidance {self.guidance}: must be a number")
        if not 0 < self.count <= MOST_MOTIONS:
            raise ConfigError(f"count {self.count}: must be from 1 to {MOST_MOTIONS}")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of each caption's motions."""
        return (self.frames,) * len(self.captions) if isinstance(self.frames, int) else self.frames


def frames_of(frames: int | None, seconds: float | None, fps: float) -> int | None:
    """Length of motions in frames: as given, or the nearest that fits a number of seconds; None: neither is given.

    Raises:
        ConfigError: both are given, or no number of seconds.

    >>> frames_of(None, 4.0, 20.0), frames_of(None, 3.31, 20.0), frames_of(None, None, 20.0)
    (80, 68, None)
    """
    if frames is not None and seconds is not None:
        raise ConfigError("--frames and --seconds: give one of them")
    if seconds is None:
        return frames
    longest = MOST_FRAMES / fps
    if not 0 < seconds <= longest:
        raise ConfigError(f"--seconds {seconds}: must be above 0 and at most {longest:g} (of {fps:g} frames)")
    return max(FRAME_STEP, FRAME_STEP * round(seconds * fps / FRAME_STEP))


@dataclass(frozen=True, eq=False)
class GeneratedMotion:
    """A motion.

    Attributes:
        name: number and caption, as in file names.
        caption: that made it.
        features: raw, [F, D].
        joints: [F, J, 3], in metres, Y up.
        backbone: registered name of what made it.
        repeat: its number among several motions of one caption.
    """

    name: str
    caption: str
    features: Tensor
    joints: Tensor
    backbone: str = ""
    repeat: int | None = None


@dataclass(frozen=True, eq=False)
class Generator:
    """A backbone, a projector of its latent space or None, and concepts by name."""

    backbone: Backbone
    projector: Projector | None = None
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    compute: Compute = CPU

    def generate(self, request: GenerateRequest) -> list[GeneratedMotion]:
        """All motions of a request; motion k of a caption depends on the seed, its caption's place and k alone.

        Raises:
            ConfigError: steps that the backbone does not support, or a concept of another text encoder.
            UnknownNameError: a placeholder without a concept.
            LatentMismatchError: the projector belongs to another latent space.
        """
        backbone = self.backbone
        steps = backbone.default_steps if request.steps is None else request.steps
        if not backbone.supports_steps(steps):
            raise ConfigError(f"--steps {steps}: backbone {backbone.name!r} does not support that many")
        edit = None if self.projector is None else realign(self.projector, backbone.autoencoder)
        guidance = backbone.default_guidance(steps) if request.guidance is None else request.guidance
        condition = self._condition(request.captions)
        mask = mask_of(list(request.lengths), place_of(backbone.autoencoder))
        condition = condition.to(mask.device)
        ids = tuple(f"{number}" for number in range(len(request.captions)))
        made = []
        with torch.no_grad():
            for repeat in range(request.count):
                noise = NoiseSource(request.seed, ids, 0, repeat, mask.device)
                latent = backbone.sample(condition, mask, noise, steps=steps, guidance=guidance)
                features = decode_latents(backbone.autoencoder, latent, mask, edit).denormalize().features.cpu()
                if not bool(torch.isfinite(features).all()):
                    raise NonFiniteError(f"backbone {backbone.name!r}: generated NaN or infinity")
                made += self._named(request, features, repeat)
        return sorted(made, key=lambda motion: motion.name)

    def description(self, request: GenerateRequest) -> dict[str, object]:
        """What made the motions of a request: names, resolved steps and guidance, latent space, concepts."""
        backbone, projector = self.backbone, self.projector
        steps = backbone.default_steps if request.steps is None else request.steps
        return {
            "backbone": backbone.name,
            "steps": steps,
            "guidance": backbone.default_guidance(steps) if request.guidance is None else request.guidance,
            "latent": backbone.autoencoder.fingerprint,
            "projector": None if projector is None else f"aligned {projector.text_encoder}",
            "concepts": {name: dict(concept.about) for name, concept in self.concepts.items()},
        }

    def _named(self, request: GenerateRequest, features: Tensor, repeat: int) -> list[GeneratedMotion]:
        joints = features_to_joints(features, get_skeleton(self.backbone.autoencoder.motion.skeleton))
        suffix = f"-{repeat}" if request.count > 1 else ""
        return [
            GeneratedMotion(
                f"{number:03d}-{_slug(caption)}{suffix}",
                caption,
                features[number, :frames],
                joints[number, :frames],
                self.backbone.name,
                repeat if request.count > 1 else None,
            )
            for number, (caption, frames) in enumerate(zip(request.captions, request.lengths, strict=True))
        ]

    def _condition(self, captions: Sequence[str]) -> Condition:
        used = {part.text for caption in captions for part in split_caption(caption) if part.placeholder}
        for name in used - set(self.concepts):
            raise unknown_name("concept", name, self.concepts, where=f"<{name}>")
        if not used:
            return self.backbone.text_encoder.encode(captions)
        encoder = invertible(self.backbone.text_encoder)
        for name in used:
            self.concepts[name].check(encoder)
        with torch.no_grad():
            place = place_of(self.backbone.autoencoder)
            return encoder.encode_with(captions, {name: self.concepts[name].vector.to(place) for name in used})


def _slug(caption: str) -> str:
    """A caption as part of a file name.

    >>> _slug("A person <superman> slowly."), _slug("Ein Mann läuft."), _slug("人が歩く")
    ('a-person-superman-slowly', 'ein-mann-läuft', '人が歩く')
    """
    words = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", caption).lower()).strip("-")
    while len(words.encode()) > _LONGEST:
        words = words[:-1]
    return words.strip("-") or hashlib.sha256(caption.encode("utf-8", "surrogatepass")).hexdigest()[:8]
