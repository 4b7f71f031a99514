"""The latent realignment projector of LEAD (paper, sections 4.1.1 and 5.2).

The official code is not published, so the token layout is ours. Latent tokens, each cut into ``split`` pieces,
become S input tokens. Where the number of code tokens K equals S they are read in place: with one latent token and
one code (the paper's setting, as far as it tells) both transformers see sequences of length one, and attention is a
linear map. Where K differs from S, or with ``queries``, the codes are read from K learned query tokens put in
front of the sequence. The decoder mirrors this: S query tokens where needed, then the codes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadbench.core.config import ProjectorConfig, TransformerConfig
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.nn.dropout import RowDropout
from leadbench.nn.positions import SinusoidalPositions
from leadbench.nn.transformer import SkipTransformerEncoder, TransformerEncoder, reset_parameters


class TokenTransformer(nn.Module):
    """``count_in`` tokens of ``width_in`` to ``count_out`` tokens of ``width_out`` through a transformer."""

    def __init__(self, config: ProjectorConfig, tokens_in: tuple[int, int], tokens_out: tuple[int, int]) -> None:
        super().__init__()
        (count_in, width_in), (self.count_out, width_out) = tokens_in, tokens_out
        width = config.transformer.width
        self.tokens_in = nn.Linear(width_in, width)
        self.tokens_out = nn.Linear(width, width_out)
        queries = self.count_out if config.queries or count_in != self.count_out else 0
        self.queries = nn.Parameter(torch.randn(queries, width)) if queries else None
        self.positions = SinusoidalPositions(width, queries + count_in)
        stack = SkipTransformerEncoder if config.architecture == "skip" else TransformerEncoder
        self.blocks = stack(config.transformer)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens_in(tokens)
        if self.queries is not None:
            x = torch.cat([self.queries.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
        out: Tensor = self.tokens_out(self.blocks(self.positions(x), rows=self.count_out))
        return out


class TokenMLP(nn.Module):
    """The same on flattened tokens through feed-forward layers without attention or residual connections.

    A layer is linear, GELU, dropout, linear, LayerNorm: as deep as the transformer, with two thirds of its weights.
    """

    def __init__(self, config: TransformerConfig, tokens_in: tuple[int, int], tokens_out: tuple[int, int]) -> None:
        super().__init__()
        self.shape_out = tokens_out
        layers: list[nn.Module] = [nn.Linear(tokens_in[0] * tokens_in[1], config.width)]
        for _ in range(config.layers):
            layers += [nn.Linear(config.width, config.feedforward), nn.GELU(), RowDropout(config.dropout)]
            layers += [nn.Linear(config.feedforward, config.width), nn.LayerNorm(config.width)]
        layers.append(nn.Linear(config.width, tokens_out[0] * tokens_out[1]))
        self.layers = nn.Sequential(*layers)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.layers(tokens.flatten(1))
        return out.reshape(len(out), *self.shape_out)


class LeadProjector(nn.Module):
    """Standardised latents [N, M] to K code tokens [K, C] in a text space, and back."""

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        latent = (config.latent_tokens * config.split, config.latent_width // config.split)
        code = (config.tokens, config.text_width)
        self.encoder: nn.Module
        self.decoder: nn.Module
        if config.architecture == "mlp":
            self.encoder = TokenMLP(config.transformer, latent, code)
            self.decoder = TokenMLP(config.transformer, code, latent)
        else:
            self.encoder = TokenTransformer(config, latent, code)
            self.decoder = TokenTransformer(config, code, latent)
        reset_parameters(self)

    def project(self, latent: Tensor) -> Tensor:
        """Code tokens [B, K, C] of latents [B, N, M]. Raises LatentMismatchError for latents of another shape."""
        config = self.config
        if latent.ndim != 3 or latent.shape[1:] != (config.latent_tokens, config.latent_width):
            raise LatentMismatchError(
                f"latents are {list(latent.shape)}, this projector takes "
                f"[batch, {config.latent_tokens}, {config.latent_width}]"
            )
        pieces = latent.reshape(len(latent), config.latent_tokens * config.split, -1)
        tokens: Tensor = self.encoder(pieces)
        return tokens.to(latent.dtype)

    def aligned(self, tokens: Tensor) -> Tensor:
        """The vector [B, C] that is compared with a text embedding by cosine: the mean of the code tokens [B, K, C]."""
        return tokens.mean(dim=1)

    def reproject(self, tokens: Tensor) -> Tensor:
        """Latents [B, N, M] of code tokens [B, K, C]. Raises ConfigError for tokens of another shape."""
        config = self.config
        if tokens.ndim != 3 or tokens.shape[1:] != (config.tokens, config.text_width):
            raise ConfigError(
                f"code tokens are {list(tokens.shape)}, this projector takes "
                f"[batch, {config.tokens}, {config.text_width}]"
            )
        pieces: Tensor = self.decoder(tokens)
        return pieces.to(tokens.dtype).reshape(len(tokens), config.latent_tokens, config.latent_width)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Code tokens [B, K, C] and reprojected latents [B, N, M], in one call for training."""
        tokens = self.project(latent)
        return tokens, self.reproject(tokens)
