"""Frozen batch types that stages exchange: axes, units, masks (True = valid), normalisation state.

Axes: B batch, F frames, D feature width, J joints, L text tokens, C text width, N latent tokens,
M latent width, K projected tokens, E evaluator embedding width. Batch is always first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from leadbench.core.device import indices, sent
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
    mask = torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]
    return _remember(mask, lengths.tolist()) if lengths.device.type == "cpu" else mask


def mask_of(lengths: Sequence[int], device: torch.device | str = "cpu", frames: int | None = None) -> Tensor:
    """A mask [B, F] on a device, True on real frames; :func:`host_lengths` knows its lengths without asking the device.

    >>> host_lengths(mask_of([1, 3]))
    [1, 3]
    """
    frames = max(lengths) if frames is None else frames
    there = sent(torch.tensor(list(lengths)), device)
    return _remember(torch.arange(frames, device=device)[None, :] < there[:, None], lengths)


def host_lengths(mask: Tensor) -> list[int]:
    """True entries of each row of a mask [B, F], as numbers; waits for the device only where nobody remembered them."""
    known: list[int] | None = getattr(mask, _KNOWN, None)
    return mask_lengths(mask).cpu().tolist() if known is None else list(known)


def hides_nothing(mask: Tensor) -> bool:
    """Whether all of a mask is True, as far as it can be told without waiting for a device."""
    known: list[int] | None = getattr(mask, _KNOWN, None)
    if known is not None:
        return all(length == mask.shape[1] for length in known)
    return mask.device.type == "cpu" and bool(mask.all())


def front_lengths(mask: Tensor) -> list[int] | None:
    """Lengths of a mask [B, F] whose rows are True up to them and nowhere else; None for other masks."""
    if getattr(mask, _KNOWN, None) is not None:
        return host_lengths(mask)
    lengths = mask_lengths(mask)
    same = torch.equal(mask, torch.arange(mask.shape[1], device=mask.device)[None, :] < lengths[:, None])
    return lengths.cpu().tolist() if same else None


def moved_mask(mask: Tensor, device: torch.device | str) -> Tensor:
    """The mask on a device, with what is known of its lengths."""
    known: list[int] | None = getattr(mask, _KNOWN, None)
    if known is None:
        return sent(mask, device)
    return mask if mask.device == torch.device(device) else mask_of(known, device, mask.shape[1])


def full_mask(rows: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """A mask [rows, width] that hides nothing."""
    return _remember(torch.ones(rows, width, dtype=torch.bool, device=device), [width] * rows)


_KNOWN = "_leadbench_lengths"  # on a mask: its lengths. Masks are never changed where they are.


def _remember(mask: Tensor, lengths: Sequence[int]) -> Tensor:
    setattr(mask, _KNOWN, [min(max(0, length), mask.shape[1]) for length in lengths])
    return mask


def _as_full_as(mask: Tensor, *others: Tensor) -> Tensor:
    """The mask, remembered as hiding nothing where the masks that it is made of are known to hide nothing."""
    full = all(getattr(other, _KNOWN, None) is not None and hides_nothing(other) for other in others)
    return _remember(mask, [mask.shape[1]] * len(mask)) if full else mask


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

    @cached_property
    def digest(self) -> str:
        """SHA-256 of skeleton, frame rate and statistics (as float32)."""
        h = hashlib.sha256(f"{self.skeleton}|{self.fps}".encode())
        for t in (self.mean, self.std):
            h.update(t.detach().cpu().float().contiguous().numpy().tobytes())
        return h.hexdigest()

    def to(self, device: torch.device | str) -> MotionSpec:
        """The same spec with its statistics on ``device``."""
        if self.mean.device == torch.device(device):
            return self
        moved = object.__new__(MotionSpec)  # what was checked, and its digest, are asked of no device again
        vars(moved).update(vars(self), digest=self.digest, mean=sent(self.mean, device), std=sent(self.std, device))
        return moved


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

    def of(self, rows: slice) -> MotionBatch:
        """Some of the motions, padded as they are."""
        mask = self.mask[rows]
        known: list[int] | None = getattr(self.mask, _KNOWN, None)
        return MotionBatch(self.features[rows], mask if known is None else _remember(mask, known[rows]), self.spec)

    def to(self, device: torch.device | str) -> MotionBatch:
        """The batch on another device."""
        spec = self.spec.to(device) if self.spec is not None else None
        return MotionBatch(sent(self.features, device), moved_mask(self.mask, device), spec)


@dataclass(frozen=True, eq=False)
class Condition:
    """Text embedding: tokens [B, L, C], mask [B, L], and the name of the encoder that made it."""

    tokens: Tensor
    mask: Tensor
    encoder: str

    def to(self, device: torch.device | str) -> Condition:
        """The condition on another device."""
        return Condition(sent(self.tokens, device), moved_mask(self.mask, device), self.encoder)

    def expand(self, batch: int) -> Condition:
        """Repeat a condition of batch 1 to ``batch`` rows (no copy)."""
        mask = _as_full_as(self.mask.expand(batch, -1), self.mask)
        return Condition(self.tokens.expand(batch, -1, -1), mask, self.encoder)

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
        if not isinstance(rows, Tensor | slice):
            rows = indices(rows, self.tokens.device)
        return Condition(self.tokens[rows], _as_full_as(self.mask[rows], self.mask), self.encoder)

    @classmethod
    def stacked(cls, first: Condition, second: Condition) -> Condition:
        """Two conditions as one batch; the shorter one is padded with masked tokens."""
        length = max(first.tokens.shape[1], second.tokens.shape[1])

        def padded(condition: Condition) -> tuple[Tensor, Tensor]:
            extra = length - condition.tokens.shape[1]
            return F.pad(condition.tokens, (0, 0, 0, extra)), F.pad(condition.mask, (0, extra))

        tokens, masks = zip(padded(first), padded(second), strict=True)
        mask = torch.cat(masks)
        if first.tokens.shape[1] == second.tokens.shape[1]:
            mask = _as_full_as(mask, first.mask, second.mask)
        return cls(torch.cat(tokens), mask, second.encoder)


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
        return cls(values, full_mask(values.shape[0], values.shape[1], values.device))

    @classmethod
    def none(cls, batch: int, device: torch.device | str = "cpu") -> Latent:
        """Of no tokens, [B, 0, 0]: what motions have that no autoencoder decoded."""
        return cls.full(torch.zeros(batch, 0, 0, device=device))

    def to(self, device: torch.device | str) -> Latent:
        """The latents on another device."""
        return Latent(sent(self.values, device), moved_mask(self.mask, device))

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
