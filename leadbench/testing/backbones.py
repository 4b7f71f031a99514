"""Checks of backbones."""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench.core.contracts import Backbone, DenoisingBackbone, TrainableBackbone
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, lengths_to_mask
from leadbench.testing.findings import (
    Finding,
    need,
    need_detached,
    need_equal,
    need_shape,
    other_global_seed,
    run_checks,
    unchanged,
)

CAPTIONS = ("a person walks forward.", "someone jumps.", "the person waves the left hand three times.")
LENGTHS = (60, 44, 80)
IDS = ("a", "b", "c")
_FEW_STEPS = (1, 2, 4)


def check_backbone(name: str, backbone: Backbone) -> list[Finding]:
    """Whether a backbone implements ``Backbone``, and the further contracts of backbones that it claims."""
    missing = [
        a for a in ("name", "text_encoder", "autoencoder", "default_steps", "sample") if not hasattr(backbone, a)
    ]
    if missing or not isinstance(backbone, Backbone):
        return [Finding("contract", False, f"{name}: has no {', '.join(missing) or 'complete Backbone contract'}")]
    subject = _Backbone(name, backbone)
    checks = {
        "declared steps": subject.declared_steps,
        "shape": subject.shape,
        "gradient": subject.gradient,
        "determinism": subject.determinism,
        "batch invariance": subject.batch_invariance,
        "text mask": subject.text_mask,
        "motion padding": subject.motion_padding,
        "inputs": subject.inputs,
    }
    if isinstance(backbone, DenoisingBackbone):
        checks["prediction"] = subject.prediction
    if isinstance(backbone, TrainableBackbone):
        checks["training loss"] = subject.training_loss
    return run_checks(checks)


class _Backbone:
    """The checks of one backbone, on three captions."""

    def __init__(self, name: str, backbone: Backbone) -> None:
        self.name, self.backbone = name, backbone
        self.spec = backbone.autoencoder.latent
        self.steps = backbone.default_steps

    def condition(self) -> Condition:
        return self.backbone.text_encoder.encode(CAPTIONS)

    def sample(self, rows: tuple[int, ...] = (0, 1, 2), condition: Condition | None = None, extra: int = 0) -> Tensor:
        """Latents of some rows; ``extra`` frames of padding more than the longest needs."""
        given = self.condition() if condition is None else condition
        chosen = Condition(given.tokens[list(rows)], given.mask[list(rows)], given.encoder)
        mask = lengths_to_mask(torch.tensor([LENGTHS[row] for row in rows]))
        mask = torch.nn.functional.pad(mask, (0, extra))
        noise = NoiseSource(0, tuple(IDS[row] for row in rows))
        guidance = self.backbone.default_guidance(self.steps)
        return self.backbone.sample(chosen, mask, noise, steps=self.steps, guidance=guidance).values

    def declared_steps(self) -> None:
        declared = self.backbone.supports_steps(self.steps)
        need(declared, f"{self.name}: default_steps is {self.steps}, which supports_steps denies")
        mask = lengths_to_mask(torch.tensor(LENGTHS))
        for steps in _FEW_STEPS:
            if self.backbone.supports_steps(steps):
                guidance = self.backbone.default_guidance(steps)
                noise = NoiseSource(0, IDS)
                latent = self.backbone.sample(self.condition(), mask, noise, steps=steps, guidance=guidance)
                need(bool(torch.isfinite(latent.values).all()), f"{self.name}: NaN or infinity at {steps} steps")

    def shape(self) -> None:
        need_shape(f"{self.name}.sample", self.sample(), (len(IDS), self.spec.tokens, self.spec.width))

    def gradient(self) -> None:
        need_detached(f"{self.name}.sample", self.sample())

    def determinism(self) -> None:
        with other_global_seed(1):
            first = self.sample()
        with other_global_seed(2):
            second = self.sample()
        why = "is random despite the noise source: the same call gives another latent"
        need_equal(f"{self.name}.sample", first, second, why)

    def batch_invariance(self) -> None:
        together = self.sample()
        for row in range(len(IDS)):
            alone = self.sample((row,))
            need_equal(f"{self.name}.sample", alone[0], together[row], "a row depends on its batch neighbours")

    def text_mask(self) -> None:
        condition = self.condition()
        garbage = torch.full_like(condition.tokens[:, :1], 3.0)
        padded = Condition(
            torch.cat([condition.tokens, garbage], dim=1),
            torch.nn.functional.pad(condition.mask, (0, 1)),
            condition.encoder,
        )
        why = "ignores the mask: a masked text token changes the latent"
        need_equal(f"{self.name}.sample", self.sample(), self.sample(condition=padded), why)

    def motion_padding(self) -> None:
        why = "frames of padding change the latent"
        need_equal(f"{self.name}.sample", self.sample(), self.sample(extra=20), why)

    def inputs(self) -> None:
        condition, mask = self.condition(), lengths_to_mask(torch.tensor(LENGTHS))
        guidance = self.backbone.default_guidance(self.steps)
        with unchanged(f"{self.name}.sample", condition.tokens, condition.mask, mask):
            self.backbone.sample(condition, mask, NoiseSource(0, IDS), steps=self.steps, guidance=guidance)

    def _noisy(self) -> tuple[Tensor, Tensor, Tensor]:
        assert isinstance(self.backbone, DenoisingBackbone)
        generator = torch.Generator().manual_seed(0)
        shape = (len(IDS), self.spec.tokens, self.spec.width)
        clean, noise = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
        timestep = torch.full((len(IDS),), self.backbone.timesteps // 2)
        return clean, noise, timestep

    def prediction(self) -> None:
        assert isinstance(self.backbone, DenoisingBackbone)
        clean, noise, timestep = self._noisy()
        noisy = self.backbone.add_noise(clean, noise, timestep)
        condition = self.condition()
        tokens = condition.tokens.clone().requires_grad_()
        prediction = self.backbone.predict(noisy, timestep, Condition(tokens, condition.mask, condition.encoder))
        for what, tensor in (("clean", prediction.clean), ("noise", prediction.noise)):
            need_shape(f"{self.name}.predict().{what}", tensor, tuple(clean.shape))
        (gradient,) = torch.autograd.grad(prediction.clean.square().sum(), tokens, allow_unused=True)
        reached = gradient is not None and bool(torch.isfinite(gradient).all()) and bool(gradient.any())
        need(reached, f"{self.name}.predict: no gradient reaches the text embedding, which textual inversion needs")

    def training_loss(self) -> None:
        assert isinstance(self.backbone, TrainableBackbone)
        network = self.backbone.network
        is_module = isinstance(network, torch.nn.Module)
        need(is_module, f"{self.name}.network: is {type(network).__name__}, must be the torch module to train")
        clean, noise, timestep = self._noisy()
        before = [parameter.requires_grad for parameter in network.parameters()]
        try:
            network.requires_grad_(True)
            loss = self.backbone.training_loss(clean, self.condition(), noise, timestep)
            need(loss.ndim == 0, f"{self.name}.training_loss: shape {list(loss.shape)}, must be a scalar")
            need(bool(torch.isfinite(loss)), f"{self.name}.training_loss: is {float(loss.detach())}")
            found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
            need(any(g is not None for g in found), f"{self.name}.training_loss: no gradient reaches `network`")
        finally:
            for parameter, state in zip(network.parameters(), before, strict=True):
                parameter.requires_grad_(state)
