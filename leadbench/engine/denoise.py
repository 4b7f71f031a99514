"""The denoising loop of MLD and MotionLCM, with everything that no step changes computed before the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.core.device import indices
from leadbench.core.errors import ConfigError, DataError, LatentMismatchError
from leadbench.core.tensors import Condition, hides_nothing
from leadbench.engine.compiled import FirstRows, compile_wanted, compiled_network
from leadbench.engine.graph import recordable, recorded
from leadbench.engine.plan import Update
from leadbench.engine.sequences import TokenSequences
from leadbench.engine.stacks import PackedSkipEncoder
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.packing import PackedLinear, prepared
from leadbench.nn.positions import guidance_features, timestep_features
from leadbench.nn.sampling import Branches

LEAST_SHARED = 8
"""Latents from which the first block's maps are shared; with fewer, reading its weights takes the time."""

MOST_GRAPHS = 8
"""Recorded loops that an engine keeps; each holds the memory of one."""

Network = Callable[[TokenSequences], Tensor]


@dataclass(frozen=True, eq=False)
class Guide:
    """What steers a loop.

    Attributes:
        branches: text of B rows, or of 2 B rows, unconditional first.
        scale: guidance scale of the two branches; None: there is one.
        weight: guidance weight that is an input of the network (MotionLCM), w = guidance - 1; None: no such input.
    """

    branches: Condition
    scale: float | None = None
    weight: float | None = None

    @classmethod
    def of(cls, branches: Branches, scale: float | None) -> Guide:
        """Both branches as one batch, or the conditional one alone where the scale asks for no guidance.

        Raises ConfigError where guidance needs an unconditional branch and there is none.
        """
        if scale is None or scale <= 1:
            return cls(branches.conditional)
        return cls(branches.stacked(scale), scale)


@dataclass(frozen=True, eq=False)
class LoopInputs:
    """All tensors that a loop reads.

    Attributes:
        latents: noise [B, N, M].
        sequences: with the text in its place.
        mask: of keys, or None.
        times, mapped: the time token of every step, and its maps in the first block.
        fresh: noise that steps add.
    """

    latents: Tensor
    sequences: TokenSequences
    mask: Tensor | None
    times: Tensor
    mapped: Tensor
    fresh: tuple[Tensor, ...]

    @property
    def shapes(self) -> tuple[object, ...]:
        """What tells apart loops that need graphs of their own."""
        return (self.latents.shape, self.sequences.rows.shape, self.mask is None, self.sequences.projected is None)

    def clone(self) -> LoopInputs:
        """Copies in memory of their own."""
        mask = None if self.mask is None else self.mask.clone()
        fresh = tuple(each.clone() for each in self.fresh)
        return LoopInputs(
            self.latents.clone(), self.sequences.clone(), mask, self.times.clone(), self.mapped.clone(), fresh
        )

    def copy_(self, other: LoopInputs) -> None:
        """Take over what others of the same shapes hold."""
        pairs = [(self.latents, other.latents), (self.times, other.times), (self.mapped, other.mapped)]
        pairs += list(zip(self.fresh, other.fresh, strict=True))
        if self.mask is not None and other.mask is not None:
            pairs.append((self.mask, other.mask))
        for mine, theirs in pairs:
            mine.copy_(theirs)
        self.sequences.copy_(other.sequences)


class DenoiseEngine:
    """A :class:`Denoiser` prepared for whole loops, without autograd; float32 or bfloat16 weights.

    Latents and the arithmetic between steps stay float32 with bfloat16 weights.
    """

    def __init__(self, module: Denoiser, dtype: torch.dtype = torch.float32) -> None:
        config = self.config = module.config
        self.dtype = dtype
        self.stack = PackedSkipEncoder(module.encoder, config.latent_tokens, dtype)
        self.from_latent, self.to_latent = _packed(module.from_latent, dtype), _packed(module.to_latent, dtype)
        # Tokens of time and text are made once a loop, in float32 whatever the weights of the stack.
        self.text_in = _packed(module.text_in, torch.float32)
        self.time_in = PackedLinear(module.time_in.weight, module.time_in.bias)
        self.time_out = PackedLinear(module.time_out.weight, module.time_out.bias)
        guided = module.guidance_in
        self.guidance_in = None if guided is None else PackedLinear(guided.weight, None)
        self.guidance_width = None if guided is None else guided.in_features
        self.positions = module.positions.table.detach()
        self._module = ref(module)  # weak: what is prepared must not keep its module alive
        self._compiled: dict[torch.Size, Callable[[Tensor], Tensor]] = {}
        self._graphs: dict[tuple[object, ...], tuple[LoopInputs, Callable[[], Tensor]]] = {}

    def sample(
        self, noise: Tensor, plan: Sequence[Update], guide: Guide, fresh: Sequence[Tensor] = (), graph: bool = True
    ) -> Tensor:
        """Latents [B, N, M] float32 of a plan from noise [B, N, M]; ``fresh[i]`` is added after step i.

        ``graph`` replays the whole loop as one CUDA graph where the device is CUDA.
        Raises LatentMismatchError for noise of another shape, ConfigError for a text of another width or a guidance
        weight without its input, DataError for more tokens than positions.
        """
        self._check(noise, guide)
        with torch.inference_mode():
            latents = self._loop(noise.float(), plan, guide, fresh, graph)
        return latents.clone()  # outside, so that autograd may use it

    def _loop(
        self, latents: Tensor, plan: Sequence[Update], guide: Guide, fresh: Sequence[Tensor], graph: bool
    ) -> Tensor:
        sequences, mask = self._sequences(latents, guide)
        times = self._times(plan, guide, latents.device)
        maps = None if sequences.projected is None else self.stack.entry
        given = LoopInputs(latents, sequences, mask, times, times if maps is None else maps(times), tuple(fresh))
        if graph and recordable(latents):
            return self._replayed(given, plan, guide)
        network: Network = lambda rows: self._network(rows, mask)  # noqa: E731
        if compile_wanted(sequences.rows, mask):
            network = self._compiled_for(sequences)
        return self._steps(given, plan, guide, network)

    def _steps(self, given: LoopInputs, plan: Sequence[Update], guide: Guide, network: Network) -> Tensor:
        """The loop itself; nothing in it depends on a value."""
        latents, sequences = given.latents, given.sequences
        maps = None if sequences.projected is None else self.stack.entry
        start = self.positions[: latents.shape[1]].to(self.dtype)
        for step, update in enumerate(plan):
            entered = latents.to(self.dtype)
            if self.from_latent is not None:
                entered = self.from_latent(entered.flatten(0, 1))
            sequences.put_latents(entered.view(*latents.shape[:2], -1) + start, maps)
            sequences.put_time(given.times[step], given.mapped[step])
            latents = self._updated(latents, self._guided(network(sequences).float(), guide), update)
            if update.fresh:
                latents = latents.add_(given.fresh[step], alpha=update.fresh)
        return latents

    def _replayed(self, given: LoopInputs, plan: Sequence[Update], guide: Guide) -> Tensor:
        """The loop as one graph, recorded once for shapes, plan and guidance scale, whose own inputs are set to the
        given ones."""
        key = (given.shapes, tuple(plan), guide.scale)
        if key not in self._graphs:
            if len(self._graphs) == MOST_GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            held = given.clone()
            run = recorded(
                lambda: self._steps(held, plan, guide, lambda rows: self._network(rows, held.mask)),
                given.latents.device,
            )
            self._graphs[key] = held, run
        held, run = self._graphs[key]
        held.copy_(given)
        return run()

    def _guided(self, predicted: Tensor, guide: Guide) -> Tensor:
        """[B, N, M] of both branches' predictions, or the one branch's as it is."""
        if guide.scale is None:
            return predicted
        unconditional, conditional = predicted.chunk(2)
        return torch.lerp(unconditional, conditional, guide.scale)

    def _compiled_for(self, sequences: TokenSequences) -> Network:
        """The network compiled for a shape, made once; the prepared one where the module is gone."""
        module, like = self._module(), sequences.rows
        if like.shape not in self._compiled:
            if module is None:
                return lambda given: self._network(given, None)
            rows = FirstRows(module.encoder, module.to_latent, self.config.latent_tokens)
            self._compiled[like.shape] = compiled_network(rows, like, lambda x: self._of_rows(self.stack(x)))
        run = self._compiled[like.shape]
        return lambda given: run(given.rows)

    def _network(self, sequences: TokenSequences, mask: Tensor | None) -> Tensor:
        return self._of_rows(self.stack(sequences.rows, mask, sequences.projected))

    def _of_rows(self, rows: Tensor) -> Tensor:
        """Latents [R, N, M] of the stack's rows [R, N, D]."""
        if self.to_latent is None:
            return rows
        return self.to_latent(rows.flatten(0, 1)).view(*rows.shape[:2], -1)

    def _updated(self, latents: Tensor, predicted: Tensor, update: Update) -> Tensor:
        keep, weight = update.keep, update.predicted
        if self.config.preconditioned:  # the noise is sigma x + signal F
            keep, weight = keep + weight * update.sigma, weight * update.signal
        return (latents * keep).add_(predicted, alpha=weight)

    def _sequences(self, latents: Tensor, guide: Guide) -> tuple[TokenSequences, Tensor | None]:
        """Sequences [R, N + 1 + L, D] with the text tokens in their places, and the mask of keys."""
        text, mask = guide.branches.tokens.float(), guide.branches.mask
        before = latents.shape[1] + 1
        if self.config.normalize_text:
            text = F.layer_norm(text, text.shape[-1:])
        if self.config.project_text and self.config.relu_text:
            text = torch.relu(text)
        rows, length = text.shape[:2]
        if self.text_in is not None:
            text = self.text_in(text.reshape(rows * length, -1)).view(rows, length, -1)
        text = (text + self.positions[before : before + length]).to(self.dtype)
        shared = self.stack.entry if len(latents) >= LEAST_SHARED else None
        sequences = TokenSequences.of_text(text, latents.shape[1], shared)
        if hides_nothing(mask):
            return sequences, None
        return sequences, F.pad(mask, (before, 0), value=True)[:, None, None, :]

    def _times(self, plan: Sequence[Update], guide: Guide, device: torch.device) -> Tensor:
        """The time token of every step [steps, D], its position included."""
        timesteps = indices([update.timestep for update in plan], device)
        features = timestep_features(timesteps, self.config.time_width)
        if self.guidance_in is not None and guide.weight is not None and self.guidance_width is not None:
            weight = torch.full((1,), guide.weight, device=device)
            features = features + self.guidance_in(guidance_features(weight, self.guidance_width))
        tokens = self.time_out(F.silu(self.time_in(features))) + self.positions[self.config.latent_tokens]
        return tokens.to(self.dtype)

    def _check(self, noise: Tensor, guide: Guide) -> None:
        config = self.config
        if noise.ndim != 3 or noise.shape[1:] != (config.latent_tokens, config.latent_width):
            raise LatentMismatchError(
                f"latents are {list(noise.shape)}, this denoiser takes "
                f"[batch, {config.latent_tokens}, {config.latent_width}]"
            )
        tokens = guide.branches.tokens
        if tokens.ndim != 3 or tokens.shape[-1] != config.text_width:
            raise ConfigError(
                f"text embedding is {list(tokens.shape)}, this denoiser takes [batch, tokens, {config.text_width}]"
            )
        length = config.latent_tokens + 1 + tokens.shape[1]
        if length > len(self.positions):
            raise DataError(f"sequence of {length} tokens: this network has {len(self.positions)} positions at most")
        if guide.weight is not None and self.guidance_in is None:
            raise ConfigError("guidance_weight: this denoiser has no guidance input (guidance_width is not set)")


def _packed(module: nn.Module, dtype: torch.dtype) -> PackedLinear | None:
    """A linear map prepared, or None for an identity."""
    return PackedLinear(module.weight, module.bias, dtype) if isinstance(module, nn.Linear) else None


def engine_for(module: object, dtype: torch.dtype = torch.float32) -> DenoiseEngine | None:
    """The engine of a denoiser as it is now, made once; None for other modules, types and for training."""
    if not isinstance(module, Denoiser) or module.training or module.time_in.weight.dtype is not torch.float32:
        return None
    return prepared(module, DenoiseEngine, dtype)
