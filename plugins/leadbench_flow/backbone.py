"""Rectified flow (Liu et al., ICLR 2023, "Flow straight and fast") in the latent space of a motion autoencoder.

The path from noise e to a clean latent c is x_t = (1 - t) e + t c. The network learns its velocity c - e at times drawn
as the logistic function of a normal number (Esser et al., ICML 2024); sampling follows the velocity from t = 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from leadbench.core.config import DenoiserConfig, TransformerConfig
from leadbench.core.contracts import MotionAutoencoder, TextEncoder
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent, Prediction
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import Branches
from leadbench.plugins.context import Context
from leadbench_flow.options import FlowOptions

TIMESTEPS = 1000
"""Of motion textual inversion, which asks for integer ones: timestep s is the time 1 - s / 1000."""


_GUIDANCE = {1: 1.0, 2: 1.5}  # an Euler step of the whole way overshoots with more
_GUIDANCE_OF_MANY = 2.0


class VelocityNetwork(nn.Module):
    """Velocity [B, N, M] at points of the path and times from 0 (noise) to 1 (clean).

    It is predicted as (2t - 1) / v x + F(x / sqrt(v)) / sqrt(v) with v = t^2 + (1 - t)^2: for standardised latents the
    first term is the best linear guess, v the variance of x and 1 / v that of what is left, so that F has inputs and
    outputs of one size at all times.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.inner = Denoiser(config)

    def forward(self, point: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Times are [B] or a scalar tensor."""
        t = time.reshape(-1, 1, 1)
        variance = t.square() + (1 - t).square()
        inner: Tensor = self.inner(
            point * variance.rsqrt(), time * TIMESTEPS, condition.tokens, text_mask=condition.mask
        )
        return (2 * t - 1) / variance * point + variance.rsqrt() * inner


class FlowBackbone:
    """Implements ``leadbench.TrainableBackbone`` and ``DenoisingBackbone``.

    Args:
        network: velocity of points, times and conditions.
        autoencoder, text_encoder: the latent and text spaces that it works in.
    """

    default_steps = 4
    concurrent = True
    timesteps = TIMESTEPS

    def __init__(
        self,
        name: str,
        network: nn.Module,
        autoencoder: MotionAutoencoder,
        text_encoder: TextEncoder,
        options: FlowOptions,
    ) -> None:
        self.name = name
        self.network = network
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder
        self.options = options

    def supports_steps(self, steps: int) -> bool:
        """Calls of the network: any number; even ones for midpoint steps, each of which makes two."""
        return 1 <= steps <= TIMESTEPS and (self.options.solver == "euler" or steps % 2 == 0)

    def default_guidance(self, steps: int) -> float:
        """By the number of steps, unless the options say one."""
        return self.options.guidance or _GUIDANCE.get(steps, _GUIDANCE_OF_MANY)

    @torch.no_grad()
    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """From the noise stream ``initial`` along the velocity; the latent does not depend on the motion's length."""
        spec = self.autoencoder.latent
        start = noise.normal("initial", (spec.tokens, spec.width)).to(condition.tokens.device)
        return Latent.full(self.flow(start, condition, steps, guidance))

    def flow(self, start: Tensor, condition: Condition, steps: int, guidance: float | None) -> Tensor:
        """Latents [B, N, M] that noise [B, N, M] flows to."""
        null = self.text_encoder.null(len(start)).to(start.device) if guidance is not None and guidance > 1 else None
        velocity = Branches(condition, null).guided(self._velocity, guidance)
        point, midpoint = start, self.options.solver == "midpoint"
        count = steps // 2 if midpoint else steps
        for number in range(count):
            time = torch.tensor(number / count).to(start.device, non_blocking=True)
            moved = velocity(point, time)
            if midpoint:
                moved = velocity(point + moved / (2 * count), time + 1 / (2 * count))
            point = point + moved / count
        return point

    def training_loss(self, clean: Tensor, condition: Condition, draws: NoiseSource) -> Mapping[str, Tensor]:
        """Squared error of the velocity."""
        noise = draws.normal("noise", clean.shape[1:])
        return {"loss": self._matching(noise, clean, condition, draws)}

    def _matching(self, noise: Tensor, clean: Tensor, condition: Condition, draws: NoiseSource) -> Tensor:
        drawn = draws.normal("time", ())
        time = torch.sigmoid(self.options.time_location + self.options.time_scale * drawn)
        t = time[:, None, None]
        return mse_loss(self._velocity((1 - t) * noise + t * clean, time, condition), clean - noise)

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Points [B, N, M] of the path at integer timesteps [B]."""
        t = self._time(timestep)[:, None, None]
        return t * clean + (1 - t) * noise

    def predict(
        self, noisy: Tensor, timestep: Tensor, condition: Condition, *, guidance: float | None = None
    ) -> Prediction:
        """Both ends of the straight path through a point."""
        null = self.text_encoder.null(len(noisy)).to(noisy.device) if guidance is not None and guidance > 1 else None
        time = self._time(timestep)
        both = Branches(condition, null).guided(
            lambda x, t, c: self._velocity(x, t.repeat(x.shape[0] // t.shape[0]), c), guidance
        )
        velocity, t = both(noisy, time), time[:, None, None]
        return Prediction(noisy + (1 - t) * velocity, noisy - t * velocity)

    def _velocity(self, point: Tensor, time: Tensor, condition: Condition) -> Tensor:
        velocity: Tensor = self.network(point, time, condition)
        return velocity

    @staticmethod
    def _time(timestep: Tensor) -> Tensor:
        return 1 - timestep.float() / TIMESTEPS


def make(context: Context) -> FlowBackbone:
    """A flow with what was trained under the context's name; with initial weights until then."""
    options: FlowOptions = context.options
    autoencoder, text = context.autoencoder(), context.text_encoder("minilm")
    transformer = TransformerConfig(
        width=options.width,
        layers=options.layers,
        heads=options.heads,
        feedforward=options.feedforward,
        dropout=options.dropout,
    )
    network = VelocityNetwork(
        DenoiserConfig(
            latent_tokens=autoencoder.latent.tokens,
            latent_width=autoencoder.latent.width,
            text_width=text.dim,
            time_width=options.width,
            relu_text=False,
            normalize_text=True,
            project_latent=True,
            transformer=transformer,
        )
    )
    context.load(network)
    return FlowBackbone(context.name, network, autoencoder, text, options)


def load(context: Context) -> FlowBackbone:
    """The backbone ``flow``."""
    return make(context)
