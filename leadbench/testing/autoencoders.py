"""Checks of motion autoencoders."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from leadbench.core.contracts import MotionAutoencoder, TrainableAutoencoder
from leadbench.core.device import place_of
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Latent, MotionBatch, full_mask, mask_of
from leadbench.testing.findings import (
    Finding,
    need,
    need_detached,
    need_equal,
    need_scalars,
    need_shape,
    other_global_seed,
    run_checks,
    unchanged,
)

LENGTHS = (40, 64, 52)
_RAW = 0.5
"""Share of the features' energy that is left over where what is decoded is not normalised, and looks like raw ones."""


def check_autoencoder(name: str, autoencoder: MotionAutoencoder, motions: MotionBatch | None = None) -> list[Finding]:
    """Whether an autoencoder implements ``MotionAutoencoder``, and ``TrainableAutoencoder`` if it claims it.

    Args:
        motions: real ones, normalised by its statistics, of which it must not give raw features back.
    """
    subject = _Autoencoder(name, autoencoder)
    checks = {
        "shape": subject.shape,
        "gradient": subject.gradient,
        "determinism": subject.determinism,
        "batch invariance": subject.batch_invariance,
        "motion mask": subject.motion_mask,
        "inputs": subject.inputs,
        "fingerprint": subject.fingerprint,
    }
    if motions is not None:
        checks["normalised output"] = lambda: subject.normalised(motions)
    if isinstance(autoencoder, TrainableAutoencoder):
        checks["training loss"] = subject.training_loss
    return run_checks(checks)


class _Autoencoder:
    """The checks of one autoencoder, on three random motions."""

    def __init__(self, name: str, autoencoder: MotionAutoencoder) -> None:
        self.name, self.autoencoder = name, autoencoder
        place = place_of(autoencoder)
        self.mask = mask_of(LENGTHS, place)
        ids = tuple(map(str, range(len(LENGTHS))))
        noise = NoiseSource(0, ids, device=place).normal("check", (max(LENGTHS), autoencoder.motion.width))
        self.features = noise * self.mask[..., None]

    @torch.no_grad()
    def encoded(self, rows: tuple[int, ...] = (0, 1, 2), filling: float = 0.0) -> Tensor:
        """Posterior means of some rows, cut to the longest of them."""
        longest = max(LENGTHS[row] for row in rows)
        mask = self.mask[list(rows), :longest]
        features = self.features[list(rows), :longest].masked_fill(~mask[..., None], filling)
        return self.autoencoder.encode(MotionBatch(features, mask, self.autoencoder.motion)).loc

    @torch.no_grad()
    def decoded(self, latent: Tensor, rows: tuple[int, ...] = (0, 1, 2)) -> Tensor:
        """Features of latents on the real frames of some rows, 0 elsewhere."""
        mask = self.mask[list(rows), : max(LENGTHS[row] for row in rows)]
        made = self.autoencoder.decode(Latent.full(latent), mask).features
        return made * mask[..., None]

    def shape(self) -> None:
        spec = self.autoencoder.latent
        need(spec.tokens > 0 and spec.width > 0, f"{self.name}.latent: {spec.tokens} tokens of width {spec.width}")
        posterior = self.autoencoder.encode(MotionBatch(self.features, self.mask, self.autoencoder.motion))
        wanted = (len(LENGTHS), spec.tokens, spec.width)
        need_shape(f"{self.name}.encode().loc", posterior.loc.detach(), wanted)
        need_shape(f"{self.name}.encode().scale", posterior.scale.detach(), wanted)
        made = self.decoded(posterior.loc.detach())
        need_shape(f"{self.name}.decode", made, tuple(self.features.shape))

    def gradient(self) -> None:
        need_detached(f"{self.name}.encode", self.encoded())
        need_detached(f"{self.name}.decode", self.decoded(self.encoded()))

    def determinism(self) -> None:
        with other_global_seed(1):
            first = self.encoded(), self.decoded(self.encoded())
        with other_global_seed(2):
            second = self.encoded(), self.decoded(self.encoded())
        for what, one, other in zip(("encode", "decode"), first, second, strict=True):
            need_equal(f"{self.name}.{what}", one, other, "the same input gives something else (dropout left on?)")

    def batch_invariance(self) -> None:
        latent = self.encoded()
        motion = self.decoded(latent)
        for row, length in enumerate(LENGTHS):
            why = "a row depends on its batch neighbours"
            need_equal(f"{self.name}.encode", self.encoded((row,))[0], latent[row], why)
            alone = self.decoded(latent[row : row + 1], (row,))[0]
            need_equal(f"{self.name}.decode", alone, motion[row, :length], why)

    def motion_mask(self) -> None:
        why = "ignores the mask: padded frames change the latent"
        need_equal(f"{self.name}.encode", self.encoded(), self.encoded(filling=5.0), why)

    def inputs(self) -> None:
        latent = self.encoded()
        with unchanged(f"{self.name}.encode or decode", self.features, self.mask, latent):
            self.decoded(latent)

    def fingerprint(self) -> None:
        told = self.autoencoder.fingerprint
        need(len(told) >= 8, f"{self.name}: fingerprint {told!r} is no hash of weights and statistics")
        if not isinstance(self.autoencoder, TrainableAutoencoder):  # whose network may be exchanged
            return
        network = self.autoencoder.network
        other = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        self.autoencoder.network = other
        try:
            changed = self.autoencoder.fingerprint != told
        finally:
            self.autoencoder.network = network
        need(changed, f"{self.name}.fingerprint: does not tell the weights: it stays when all of them are 0")

    def normalised(self, motions: MotionBatch) -> None:
        with torch.no_grad():
            latent = Latent.full(self.autoencoder.encode(motions).loc)
            made = self.autoencoder.decode(latent, motions.mask).features[motions.mask]
        wanted, raw = motions.features[motions.mask], motions.denormalize().features[motions.mask]
        left = float((made - raw).square().sum() / raw.square().sum())
        missed = float((made - wanted).square().sum() / wanted.square().sum())
        need(
            not (left < _RAW and missed > left),
            f"{self.name}.decode: gives raw features; the contract says normalised by `motion`, as encode gets them",
        )

    def training_loss(self) -> None:
        part = self.autoencoder
        assert isinstance(part, TrainableAutoencoder)
        place = place_of(part)
        features = self.features[:, : min(LENGTHS)]
        batch = MotionBatch(features, full_mask(len(LENGTHS), min(LENGTHS), place), part.motion)
        draws = NoiseSource(0, tuple(map(str, range(len(LENGTHS)))), device=place)
        need_scalars(f"{self.name}.training_loss", part, lambda: part.training_loss(batch, draws))
