"""Checks of backbones."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier

import torch
from torch import Tensor

from leadbench.core.contracts import (
    Backbone,
    DenoisingBackbone,
    MotionBackbone,
    TrainableBackbone,
    TrainableMotionBackbone,
)
from leadbench.core.direct import has_latent, latent_form
from leadbench.core.random import NoiseSource
from leadbench.core.reading import reason
from leadbench.core.tensors import Condition, MotionBatch, full_mask, lengths_to_mask
from leadbench.testing.findings import (
    BrokenPromiseError,
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

CAPTIONS = ("a person walks forward.", "someone jumps.", "the person waves the left hand three times.")
LENGTHS = (60, 44, 80)
IDS = ("a", "b", "c")
_STEPS = (1, 2, 3, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100)
_REPEATED = 4  # threads that ask at once


def check_backbone(name: str, given: object) -> list[Finding]:
    """Whether a backbone implements ``Backbone`` or ``MotionBackbone``, and the further contracts that it claims."""
    if not isinstance(given, Backbone | MotionBackbone):
        needed = ("name", "text_encoder", "default_steps", "supports_steps", "default_guidance")
        missing = [member for member in needed if not hasattr(given, member)]
        missing += [] if hasattr(given, "sample") or hasattr(given, "generate") else ["sample (or generate)"]
        missing += [] if hasattr(given, "autoencoder") or hasattr(given, "generate") else ["autoencoder"]
        missing += [] if hasattr(given, "motion") or not hasattr(given, "generate") else ["motion"]
        return [Finding("contract", False, f"{name}: has no {', '.join(missing) or 'complete Backbone contract'}")]
    backbone = latent_form(given)
    subject = _Backbone(name, backbone)
    checks = {
        "name": subject.named,
        "declared steps": subject.declared_steps,
        "shape": subject.shape,
        "gradient": subject.gradient,
        "determinism": subject.determinism,
        "batch invariance": subject.batch_invariance,
        "text mask": subject.text_mask,
        "motion padding": subject.motion_padding,
        "inputs": subject.inputs,
    }
    checks["random numbers"] = subject.random_numbers
    if getattr(given, "concurrent", False):
        checks["concurrent"] = subject.concurrent
    if isinstance(given, DenoisingBackbone):
        checks["prediction"] = subject.prediction
    if isinstance(given, TrainableBackbone | TrainableMotionBackbone):
        checks["training loss"] = partial(subject.training_loss, given)
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
        """Latents of some rows; ``extra`` frames of padding more than the longest needs. Features, where there are no
        latents: those of the real frames, with 0 behind them."""
        given = self.condition() if condition is None else condition
        chosen = Condition(given.tokens[list(rows)], given.mask[list(rows)], given.encoder)
        mask = lengths_to_mask(torch.tensor([LENGTHS[row] for row in rows]))
        mask = torch.nn.functional.pad(mask, (0, extra))
        return self._made(chosen, mask, NoiseSource(0, tuple(IDS[row] for row in rows)))

    def _made(self, condition: Condition, mask: Tensor, noise: NoiseSource, steps: int | None = None) -> Tensor:
        steps = steps or self.steps
        guidance = self.backbone.default_guidance(steps)
        values = self.backbone.sample(condition, mask, noise, steps=steps, guidance=guidance).values
        if has_latent(self.backbone):
            return values
        longest = int(mask.sum(dim=1).max())
        need(values.shape[1] >= longest, f"{self.name}.generate: {values.shape[1]} frames, {longest} were asked for")
        return values[:, :longest] * mask[:, :longest, None]

    def named(self) -> None:
        told = self.backbone.name
        need(told == self.name, f"{self.name}: its attribute name is {told!r}; it must be the registered name")

    def declared_steps(self) -> None:
        declared = self.backbone.supports_steps(self.steps)
        need(declared, f"{self.name}: default_steps is {self.steps}, which supports_steps denies")
        mask = lengths_to_mask(torch.tensor(LENGTHS))
        for steps in _STEPS:
            if self.backbone.supports_steps(steps):
                try:
                    made = self._made(self.condition(), mask, NoiseSource(0, IDS), steps)
                except Exception as exc:  # a plugin's code may raise anything
                    raise BrokenPromiseError(
                        f"{self.name}: supports_steps declares {steps} steps, with which it raises "
                        f"{type(exc).__name__}: {reason(exc)}"
                    ) from exc
                need(bool(torch.isfinite(made).all()), f"{self.name}: NaN or infinity at {steps} steps")

    def shape(self) -> None:
        if has_latent(self.backbone):
            need_shape(f"{self.name}.sample", self.sample(), (len(IDS), self.spec.tokens, self.spec.width))
            return
        width = self.backbone.autoencoder.motion.width
        need_shape(f"{self.name}.generate", self.sample(), (len(IDS), max(LENGTHS), width))

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
            alone = self.sample((row,))[0]
            same = together[row] if has_latent(self.backbone) else together[row, : LENGTHS[row]]
            need_equal(f"{self.name}.sample", alone, same, "a row depends on its batch neighbours")

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

    def random_numbers(self) -> None:
        """What reads anything of the noise source reads all of it: ids, seed, replication and repeat."""
        condition, mask = self.condition(), lengths_to_mask(torch.tensor(LENGTHS))
        plain = NoiseSource(0, IDS)
        others = {
            "the ids of the samples": NoiseSource(0, tuple(f"other-{name}" for name in IDS)),
            "seed": replace(plain, seed=1),
            "replication": replace(plain, replication=1),
            "repeat": replace(plain, repeat=1),
        }
        first = self._made(condition, mask, plain)
        moved = {what: not torch.equal(first, self._made(condition, mask, noise)) for what, noise in others.items()}
        ignored = [what for what, changed in moved.items() if not changed]
        need(
            not any(moved.values()) or not ignored,
            f"{self.name}.sample: its random numbers ignore {', '.join(ignored)}: draw them from the noise source",
        )

    def concurrent(self) -> None:
        """Several threads, each with other rows, get what one after the other gives."""
        condition, mask = self.condition(), lengths_to_mask(torch.tensor(LENGTHS))
        sources = [NoiseSource(seed, IDS) for seed in range(2 * _REPEATED)]
        wanted = [self._made(condition, mask, noise) for noise in sources]
        start, before = Barrier(_REPEATED), sys.getswitchinterval()

        def work(noise: NoiseSource) -> Tensor:
            start.wait()
            return self._made(condition, mask, noise)

        sys.setswitchinterval(1e-5)  # threads take turns often, as on a busy machine
        try:
            with ThreadPoolExecutor(_REPEATED) as pool:
                found = list(pool.map(work, sources))
        finally:
            sys.setswitchinterval(before)
        why = "says concurrent = True, but threads that call it at once disturb each other"
        for alone, together in zip(wanted, found, strict=True):
            need_equal(f"{self.name}.sample", alone, together, why)

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

    def training_loss(self, given: TrainableBackbone | TrainableMotionBackbone) -> None:
        draws, condition = NoiseSource(0, IDS), self.condition()
        what = f"{self.name}.training_loss"
        if isinstance(given, TrainableMotionBackbone) and not has_latent(self.backbone):
            motion = given.motion
            features = NoiseSource(1, IDS).normal("check", (min(LENGTHS), motion.width))
            batch = MotionBatch(features, full_mask(len(IDS), min(LENGTHS)), motion)
            need_scalars(what, given, lambda: given.training_loss(batch, condition, draws))
            return
        assert isinstance(given, TrainableBackbone)
        clean = NoiseSource(1, IDS).normal("check", (self.spec.tokens, self.spec.width))
        need_scalars(what, given, lambda: given.training_loss(clean, condition, draws))
