"""Motions that a study may choose from: two rows, or folders of motions, for the same captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadbench.core.device import place_of
from leadbench.core.errors import ConfigError, DataError, unknown_name
from leadbench.core.random import NoiseSource, stream
from leadbench.core.reading import read_json_object
from leadbench.core.skeleton import Skeleton, get_skeleton
from leadbench.core.tensors import MotionSample, TextSample, mask_of
from leadbench.data.exemplars import read_motion
from leadbench.data.humanml3d import FRAME_STEP, DrawnSample, draw, feature_mode
from leadbench.generation.generator import MOST_FRAMES
from leadbench.generation.pipeline import decode_latents, sample_latents
from leadbench.motion.features import features_to_joints
from leadbench.report.names import row_with_steps
from leadbench.results.rows import REAL, Row
from leadbench.study.plan import Side
from leadbench.tasks.shared.controls import CONTROLS
from leadbench.tasks.shared.opening import OpenedEntries, open_entries
from leadbench.tasks.shared.realigners import Edit
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.units import Entry
from leadbench.zoo.assets import Opened

_AT_ONCE = 32
_ENDINGS = (".npy", ".bvh")

Joints = NDArray[np.float32]
"""[F, J, 3], in metres."""


@dataclass(frozen=True)
class SideRequest:
    """A side as it was named: ``real``, a backbone, ``BACKBONE+PROJECTOR``, ``BACKBONE+clamp``, or a folder."""

    text: str

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        path = Path(self.text)
        return path if path.is_dir() else None

    @property
    def backbone(self) -> str | None:
        """Registered name; None: it is no model's."""
        return None if self.folder is not None or self.text == "real" else self.text.partition("+")[0]

    @property
    def edit(self) -> str | None:
        """Projector or control; None: plain latents."""
        return self.text.partition("+")[2] or None


@dataclass(frozen=True)
class MotionFiles:
    """Motions of a folder: of test motions by their ids, or, where ``leadbench generate`` wrote it, by their captions.

    Attributes:
        captioned: caption -> file of its first motion; empty where names are ids.
    """

    folder: Path
    captioned: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> MotionFiles:
        """Of a folder; what ``generate.json`` says of it is read."""
        found: dict[str, Path] = {}
        for path in sorted(folder.glob("generate*.json")):
            captions = read_json_object(path).get("captions")
            for name, caption in captions.items() if isinstance(captions, dict) else ():
                file = folder / f"{name}.features.npy"
                if file.is_file():
                    found.setdefault(str(caption), file)
        return cls(folder, found)

    def path(self, identifier: str) -> Path | None:
        """File of a test motion, or of a caption; None: there is none."""
        if self.captioned:
            return self.captioned.get(identifier)
        return next((path for ending in _ENDINGS if (path := self.folder / f"{identifier}{ending}").is_file()), None)


@dataclass(frozen=True, eq=False)
class Candidate:
    """Motions of one caption, one of each side."""

    drawn: DrawnSample
    joints: tuple[Joints, Joints]

    @property
    def change(self) -> float:
        """Mean distance of the joints over the frames that both have, in metres."""
        frames = min(len(joints) for joints in self.joints)
        apart = np.linalg.norm(self.joints[0][:frames] - self.joints[1][:frames], axis=-1)
        return float(apart.mean())


@dataclass(eq=False)
class Candidates:
    """Makes the motions of two sides.

    Args:
        opened: dataset, models and plugins.
        sides: the two rows.
        request: steps, guidance and projectors, as ``leadbench run`` takes them.

    Raises:
        UnknownNameError, ConfigError, WeightsError, LatentMismatchError, DataError: something does not fit.
    """

    opened: Opened
    sides: tuple[SideRequest, SideRequest]
    request: RunRequest
    found: OpenedEntries = field(init=False)

    def __post_init__(self) -> None:
        for side in self.sides:
            if side.backbone is not None and ("/" in side.text or "\\" in side.text):
                raise ConfigError(f"{side.text}: no such folder, and no backbone's name")
        self.found = open_entries(self.opened, self.request)
        self._chosen = [self._choose(side) for side in self.sides]
        self._files = [None if side.folder is None else MotionFiles.of(side.folder) for side in self.sides]

    @property
    def skeleton(self) -> Skeleton:
        """Of the dataset."""
        return get_skeleton(self.opened.dataset.motion.skeleton)

    def described(self) -> tuple[Side, Side]:
        """The rows, with their names in tables."""
        first, second = (self._side(side, chosen) for side, chosen in zip(self.sides, self._chosen, strict=True))
        if first.row == second.row:
            raise ConfigError(f"{self.sides[0].text} and {self.sides[1].text} are the same row")
        return first, second

    def drawn(self, most: int) -> list[DrawnSample]:
        """Captions with their lengths: of the test split, each caption once, in a drawn order, at most so many.

        Raises:
            DataError: fewer than two motions have a file in the folders.
        """
        samples = self.opened.dataset.load(self.request.config.split)[0]
        captioned = [files for files in self._files if files is not None and files.captioned]
        if captioned:
            return self._of_captions(captioned)[:most]
        seed = self.request.config.seed
        order = stream(seed, "study-candidates").permutation(len(samples))
        found = draw([samples[at] for at in order], seed, 0)
        found = list({item.caption.caption: item for item in reversed(found)}.values())[::-1]
        for files in self._files:
            if files is not None:
                found = [item for item in found if files.path(item.id) is not None]
        if len(found) < 2:
            raise DataError(
                f"{len(found)} motions of the test split have a file in the given folders (ID.npy or ID.bvh)"
            )
        return found[:most]

    def _of_captions(self, captioned: Sequence[MotionFiles]) -> list[DrawnSample]:
        """The captions that folders of ``leadbench generate`` share, as long as the first one's motions."""
        for side, files in zip(self.sides, self._files, strict=True):
            if side.backbone is None and (files is None or not files.captioned):
                raise ConfigError(
                    f"{side.text}: has motions of the test split, {captioned[0].folder} has captions of its own"
                )
        shared = [name for name in captioned[0].captioned if all(name in files.captioned for files in captioned)]
        if len(shared) < 2:
            raise DataError(f"{len(shared)} captions have a motion in the given folders")
        return [self._of_caption(captioned[0], caption) for caption in shared]

    def _of_caption(self, files: MotionFiles, caption: str) -> DrawnSample:
        frames = len(read_motion(files.captioned[caption], self.skeleton, feature_mode(self.opened.dataset)))
        length = max(FRAME_STEP, min(frames, MOST_FRAMES) // FRAME_STEP * FRAME_STEP)
        text = TextSample(caption, ())
        sample = MotionSample(caption, torch.zeros(length, self.skeleton.n_features), (text,))
        return DrawnSample(sample, text, 0, length)

    def make(self, drawn: Sequence[DrawnSample]) -> Iterator[Candidate]:
        """Motions of captions, a batch at a time."""
        for start in range(0, len(drawn), _AT_ONCE):
            part = drawn[start : start + _AT_ONCE]
            first, second = (self._joints(number, part) for number in (0, 1))
            for item, *joints in zip(part, first, second, strict=True):
                yield Candidate(item, (joints[0], joints[1]))

    def _choose(self, side: SideRequest) -> tuple[Entry, Edit] | None:
        if side.backbone is None:
            return None
        entry = next(entry for entry in self.found.entries if entry.name == side.backbone)
        plain, *others = entry.edits
        if side.edit is None:
            return entry, plain
        names = {edit.control or edit.projector or "": edit for edit in others if edit.variant is None}
        if side.edit not in names:
            raise unknown_name("projector or control", side.edit, names, where=side.text)
        return entry, names[side.edit]

    def _side(self, side: SideRequest, chosen: tuple[Entry, Edit] | None) -> Side:
        if chosen is not None:
            entry, edit = chosen
            row = entry.row(entry.samplings[0], edit)
            return Side(row=row, name=row_with_steps(row, self.found.names))
        if side.folder is not None:
            name = side.folder.resolve().name
            return Side(row=Row(source="given", setting={"name": name}), name=name)
        return Side(row=REAL, name="Real")

    def _joints(self, number: int, drawn: Sequence[DrawnSample]) -> list[Joints]:
        chosen, files = self._chosen[number], self._files[number]
        if files is not None:
            return [self._of_file(files, item) for item in drawn]
        if chosen is None:
            return [self._numbers(torch.as_tensor(item.features)) for item in drawn]
        return self._generated(*chosen, drawn)

    @torch.no_grad()
    def _generated(self, entry: Entry, edit: Edit, drawn: Sequence[DrawnSample]) -> list[Joints]:
        """The same latents for every edit of a backbone: they are drawn for the motion, not for the row."""
        sampling, autoencoder = entry.samplings[0], entry.backbone.autoencoder
        mask = mask_of([item.length for item in drawn], place_of(autoencoder))
        noise = NoiseSource(self.request.config.seed, tuple(item.id for item in drawn), device=mask.device)
        captions = [item.caption.caption for item in drawn]
        latent = sample_latents(entry.backbone, captions, mask, noise, steps=sampling.steps, guidance=sampling.guidance)
        motion = decode_latents(autoencoder, latent, mask, edit.map).denormalize().features.cpu()
        return [self._numbers(features[: item.length]) for features, item in zip(motion, drawn, strict=True)]

    def _of_file(self, files: MotionFiles, item: DrawnSample) -> Joints:
        path = files.path(item.id)
        assert path is not None  # drawn has looked
        features = read_motion(path, self.skeleton, feature_mode(self.opened.dataset))
        return self._numbers(features[: item.length])

    def _numbers(self, features: torch.Tensor) -> Joints:
        return features_to_joints(features.float(), self.skeleton).numpy().astype(np.float32)


def request_for(sides: tuple[SideRequest, SideRequest], base: RunRequest) -> RunRequest:
    """A request whose backbones and controls are those that two sides name."""
    backbones = tuple(dict.fromkeys(side.backbone for side in sides if side.backbone is not None))
    return replace(base, backbones=backbones, controls=any(side.edit in CONTROLS for side in sides))
