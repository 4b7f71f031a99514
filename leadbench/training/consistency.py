"""Latent consistency distillation of a trained denoiser (Luo et al. 2023, "Latent Consistency Models", Alg. 1).

The student predicts, from any point of the teacher's guided trajectory, the trajectory's end; the guidance scale
is an input of the student.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from leadbench.core.config import ConsistencyStage
from leadbench.core.device import normal_like, sent
from leadbench.core.shards import own_rows
from leadbench.core.tensors import Condition
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import Branches, boundary_scalings, ddim_sample
from leadbench.nn.schedule import NoiseSchedule
from leadbench.training.latents import LatentSet
from leadbench.training.loop import epoch_batch


class ConsistencyTask:
    """Distils ``teacher`` into a guidance-conditioned student of the same architecture.

    Args:
        stage: architecture (teacher's, with ``guidance_width``), guidance range, solver steps, Huber constant.
        teacher: trained denoiser, frozen.
        train, val: latents with the student's own text embeddings, which are the teacher's too.
    """

    def __init__(self, stage: ConsistencyStage, teacher: Denoiser, train: LatentSet, val: LatentSet) -> None:
        self._stage, self._train, self._val = stage, train, val
        self._teacher = teacher.requires_grad_(False).eval()
        self._schedule = NoiseSchedule.scaled_linear()
        self.name = f"consistency-{train.text.encoder}"
        student = Denoiser(stage.architecture)
        # only the guidance features' projection is new; it starts at zero, so the student starts as the teacher
        student.load_state_dict(teacher.state_dict(), strict=False)
        self.model: nn.Module = student
        self._target: nn.Module = student
        self._reference: Tensor | None = None
        self._weights = timestep_weights(stage.weighting, self._schedule, stage.solver_steps)

    def set_target(self, target: nn.Module) -> None:
        """The moving average of the student serves as target network."""
        self._target = target

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Pseudo-Huber distance between the student at t and the target network one solver step earlier."""
        loop, stage = self._stage.loop, self._stage
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        own = own_rows(len(rows))
        clean = self._train.sample(rows)
        condition = self._train.text[self._train.caption_rows(rows, loop.seed, self.name, step)[own]]
        noise, place = normal_like(clean)[own], clean.device
        clean = clean[own]
        stride = self._schedule.timesteps // stage.solver_steps
        index = sent(torch.randint(1, stage.solver_steps + 1, (len(rows),)), place)[own]
        start = index * stride - 1
        end = (start - stride).clamp(min=0)
        weight = sent(torch.empty(len(rows)).uniform_(*stage.guidance_weight), place)[own]
        noisy = self._schedule.add_noise(clean, noise, start)
        with torch.no_grad():
            earlier = self._teacher_step(noisy, start, end, condition, weight)
            target = self._consistency(self._target, earlier, end, condition, weight)
        mine = self._consistency(self.model, noisy, start, condition, weight)
        distance = ((mine - target).square() + stage.huber**2).sqrt() - stage.huber
        if self._weights is not None:
            distance = distance * sent(self._weights, place)[index - 1][:, None, None]
        return distance.mean(), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Distance between one-step samples and the teacher's 50-step guided samples from the same noise.

        It is watched, not selected by: short samples that lie near the mean come close to the teacher's in this
        distance while they follow the caption less, so the last moving average is kept.
        """
        rows = list(range(len(self._val)))
        condition = self._val.text[self._val.caption_rows(rows, 0, "validate", 0)]
        place, generator = self._val.loc.device, torch.Generator().manual_seed(self._stage.loop.seed)
        noise = sent(torch.randn(self._val.loc.shape, generator=generator), place)
        mean_weight = sum(self._stage.guidance_weight) / 2
        weight = torch.full((len(rows),), mean_weight, device=place)
        if self._reference is None:
            self._reference = self._teacher_samples(noise, condition, mean_weight)
        last = torch.full((len(rows),), self._schedule.timesteps - 1, device=place)
        one_step = self._consistency(model, noise, last, condition, weight)
        return {"score": float((one_step - self._reference).square().mean())}

    def _teacher_samples(self, noise: Tensor, condition: Condition, weight: float) -> Tensor:
        branches = Branches(condition, self._val.null.expand(noise.shape[0]))

        def denoise(noisy: Tensor, timestep: Tensor, rows: Condition) -> Tensor:
            predicted: Tensor = self._teacher(noisy, timestep, rows.tokens, text_mask=rows.mask)
            return predicted

        return ddim_sample(denoise, noise, steps=50, guidance=weight + 1, branches=branches)

    def _teacher_step(self, noisy: Tensor, start: Tensor, end: Tensor, condition: Condition, weight: Tensor) -> Tensor:
        """One DDIM step of the guided teacher: cond + w (cond - uncond), in clean latents and in noise."""
        null = self._train.null.expand(noisy.shape[0])
        conditional = self._teacher(noisy, start, condition.tokens, text_mask=condition.mask)
        unconditional = self._teacher(noisy, start, null.tokens, text_mask=null.mask)
        w = weight[:, None, None]
        clean_c = self._schedule.clean_from_noise(noisy, conditional, start)
        clean_u = self._schedule.clean_from_noise(noisy, unconditional, start)
        clean = clean_c + w * (clean_c - clean_u)
        return self._schedule.add_noise(clean, conditional + w * (conditional - unconditional), end)

    def _consistency(
        self, model: nn.Module, noisy: Tensor, timestep: Tensor, condition: Condition, weight: Tensor
    ) -> Tensor:
        noise = model(noisy, timestep, condition.tokens, weight, condition.mask)
        clean = self._schedule.clean_from_noise(noisy, noise, timestep)
        skip, out = boundary_scalings(timestep)
        return skip[:, None, None] * noisy + out[:, None, None] * clean


def timestep_weights(weighting: str, schedule: NoiseSchedule, solver_steps: int) -> Tensor | None:
    """Weight [solver_steps] of each step of the solver, from the first, of mean 1; None where all are the same.

    The noise level is sqrt((1 - a) / a) for the cumulative product a of a timestep.

    >>> weights = timestep_weights("inverse-level", NoiseSchedule.scaled_linear(), 50)
    >>> round(float(weights.mean()), 6), bool((weights.diff() < 0).all())
    (1.0, True)
    """
    if weighting == "uniform":
        return None
    stride = schedule.timesteps // solver_steps
    start = torch.arange(1, solver_steps + 1) * stride - 1
    level = ((1 - schedule.alphas_cumprod) / schedule.alphas_cumprod).sqrt()
    step = level[start] - level[(start - stride).clamp(min=0)]
    weights = 1 / (step if weighting == "inverse-step" else level[start])
    return weights / weights.mean()
