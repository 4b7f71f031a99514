"""Frozen batch types that stages exchange: axes, units, masks (True = valid), normalisation state.

Axes: B batch, F frames, D feature width, J joints, L text tokens, C text width, N latent tokens,
M latent width, K projected tokens, E evaluator embedding width. Batch is always first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError


def mask_lengths(mask: Tensor) -> Tensor:
    """True entries of each row, [B] int64, of a mask [B, F].

    torch adds booleans up one by one; floats are forty times as fast, and exact for rows of less than 2^24.

    >>> mask_lengths(torch.tensor([[True, True, False], [False, False, False]])).tolist()
    [2, 0]
    """
    return mask.float().sum(dim=1).long()


def lengths_to_mask(lengths: Tensor, frames: int | None = None) -> Tensor:
    """Turn lengths [B] into a mask [B, F], True on real frames; F defaults to the longest.

    >>> lengths_to_mask(torch.tensor([1, 3])).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    frames = int(lengths.max()) if frames is None else frames
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


@dataclass(frozen=True, eq=False)
class MotionSpec:
    """What a feature vector means: skeleton, frame rate, width D and the Mean/Std [D] that normalise it."""

    skeleton: str
    fps: float
    mean: Tensor
    std: Tensor

    def __post_init__(self) -> None:
        if self.mean.shape != self.std.shape or self.mean.ndim != 1:
            raise DataError(
                f"MotionSpec: mean {tuple(self.mean.shape)} and std {tuple(self.std.shape)} must both be [D]"
            )
        if not bool(torch.isfinite(self.mean).all() and torch.isfinite(self.std).all() and (self.std > 0).all()):
            raise NonFiniteError("MotionSpec: mean and std must be finite and std positive")

    @property
    def width(self) -> int:
        """D, the number of features of a frame."""
        return int(self.mean.shape[0])

    @property
    def digest(self) -> str:
        """SHA-256 of skeleton, frame rate and statistics (as float32)."""
        h = hashlib.sha256(f"{self.skeleton}|{self.fps}".encode())
        for t in (self.mean, self.std):
            h.update(t.detach().cpu().float().contiguous().numpy().tobytes())
        return h.hexdigest()

    def to(self, device: torch.device | str) -> MotionSpec:
        """The same spec with its statistics on ``device``."""
        return replace(self, mean=self.mean.to(device), std=self.std.to(device))


@dataclass(frozen=True, eq=False)
class MotionBatch:
    """Features [B, F, D] with a mask [B, F]; ``spec`` is the normalisation in force, None for raw features."""

    features: Tensor
    mask: Tensor
    spec: MotionSpec | None = None

    @property
    def lengths(self) -> Tensor:
        """Number of real frames of each motion, [B] int64."""
        return mask_lengths(self.mask)

    @property
    def normalized(self) -> bool:
        """Whether the features are normalised."""
        return self.spec is not None

    def denormalize(self) -> MotionBatch:
        """Raw features; padded frames are 0."""
        if self.spec is None:
            return self
        raw = self.features * self.spec.std + self.spec.mean
        return MotionBatch(raw * self.mask.unsqueeze(-1), self.mask, None)

    def normalize(self, spec: MotionSpec) -> MotionBatch:
        """Features normalised by ``spec``; padded frames are 0 in the normalised space."""
        if self.spec is not None and self.spec.digest == spec.digest:
            return self
        raw = self.denormalize()
        if raw.features.shape[-1] != spec.width:
            raise DataError(f"motion has {raw.features.shape[-1]} features a frame, the statistics have {spec.width}")
        values = (raw.features - spec.mean) / spec.std
        return MotionBatch(values * self.mask.unsqueeze(-1), self.mask, spec)

    def to(self, device: torch.device | str) -> MotionBatch:
        """The batch on another device."""
        spec = self.spec.to(device) if self.spec is not None else None
        return MotionBatch(self.features.to(device), self.mask.to(device), spec)


@dataclass(frozen=True, eq=False)
class Condition:
    """Text embedding: tokens [B, L, C], mask [B, L], and the name of the encoder that made it."""

    tokens: Tensor
    mask: Tensor
    encoder: str

    def to(self, device: torch.device | str) -> Condition:
        """The condition on another device."""
        return Condition(self.tokens.to(device), self.mask.to(device), self.encoder)

    def expand(self, batch: int) -> Condition:
        """Repeat a condition of batch 1 to ``batch`` rows (no copy)."""
        return Condition(self.tokens.expand(batch, -1, -1), self.mask.expand(batch, -1), self.encoder)

    def pooled(self) -> Tensor:
        """Mean over the tokens in use, [B, C].

        >>> tokens = torch.tensor([[[1.0], [3.0], [9.0]]])
        >>> Condition(tokens, torch.tensor([[True, True, False]]), "x").pooled().tolist()
        [[2.0]]
        """
        used = self.mask[..., None].to(self.tokens.dtype)
        mean: Tensor = (self.tokens * used).sum(dim=1) / used.sum(dim=1)
        return mean

    def __getitem__(self, rows: Tensor | slice | Sequence[int]) -> Condition:
        return Condition(self.tokens[rows], self.mask[rows], self.encoder)


@dataclass(frozen=True)
class LatentSpec:
    """Shape of an autoencoder's latent: N tokens of width M; ``standardized`` tells whether the autoencoder
    exposes per-dimension standardised latents (ours) or plain ones (official checkpoints)."""

    tokens: int
    width: int
    standardized: bool = False


@dataclass(frozen=True, eq=False)
class Latent:
    """Autoencoder latents [B, N, M] with a token mask [B, N] (True = in use)."""

    values: Tensor
    mask: Tensor

    @classmethod
    def full(cls, values: Tensor) -> Latent:
        """A latent all of whose tokens are in use."""
        return cls(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))

    def norm(self) -> Tensor:
        """Euclidean norm of each latent over its tokens, [B]."""
        norms: Tensor = (self.values * self.mask.unsqueeze(-1)).flatten(1).norm(dim=1)
        return norms


@dataclass(frozen=True, eq=False)
class Prediction:
    """A denoiser's answer in both parametrisations: clean latent and noise, each [B, N, M]."""

    clean: Tensor
    noise: Tensor


@dataclass(frozen=True, eq=False)
class Projection:
    """Projector code: ``aligned`` [B, C], compared with text by cosine, and ``tokens`` [B, K, C]."""

    aligned: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class TextSample:
    """A caption and its POS-tagged tokens (``word/POS``); an evaluator may read either."""

    caption: str
    tokens: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MotionSample:
    """One motion with its captions: raw features [F, D] float32."""

    id: str
    features: Tensor
    captions: tuple[TextSample, ...]

    @property
    def frames(self) -> int:
        """F."""
        return int(self.features.shape[0])


@dataclass(frozen=True)
class SplitReport:
    """What loading a split left out, and why: ids, and ``ID:LINE`` for captions."""

    kept: int
    too_short: tuple[str, ...] = ()
    too_long: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    no_caption: tuple[str, ...] = ()
    bad_text: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    empty_caption: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for what leaves out more than the limits on length do."""
        reasons = {
            "with NaN or infinity": self.not_finite,
            "without a usable caption": self.no_caption,
            "that lack a file": self.missing,
        }
        found = [f"left out: {len(ids)} motions {why} ({_some(ids)})" for why, ids in reasons.items() if ids]
        captions = {
            "unreadable captions": self.bad_text,
            "captions without words, or of no time": self.empty_caption,
        }
        return (
            *found,
            *(f"left out: {len(items)} {what} ({_some(items)})" for what, items in captions.items() if items),
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
