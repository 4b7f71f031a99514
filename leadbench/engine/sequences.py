"""What enters a denoiser's stack in every step, and the maps of its first block that steps or branches share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from leadbench.nn.packing import PackedLinear


@dataclass(frozen=True, eq=False)
class TokenSequences:
    """Sequences [latents, time, text] of R rows, for B latents in each of R / B guidance branches.

    Text stays what it is for a whole loop, time is one token for all rows, and branches share their latents. So the
    first block's queries, keys and values of text and time are computed before the loop, and those of latents once for
    all branches: of 6 rows a prompt 5 fewer go through that map.

    Attributes:
        rows: [R, S, D].
        projected: queries, keys and values of the first block, [R, S, 3 D]; None: the block computes them.
        latents: N, how many tokens of each sequence are latents; the next one is time.
    """

    rows: Tensor
    projected: Tensor | None
    latents: int

    @classmethod
    def of_text(cls, text: Tensor, latents: int, maps: PackedLinear | None) -> TokenSequences:
        """Room for latents and time before text tokens [R, L, D]; ``maps`` are the first block's, if shared."""
        before = latents + 1

        def behind(tokens: Tensor) -> Tensor:
            room = tokens.new_empty(len(tokens), before + tokens.shape[1], tokens.shape[2])
            room[:, before:] = tokens
            return room

        projected = None if maps is None else behind(maps(text.flatten(0, 1)).view(*text.shape[:2], -1))
        return cls(behind(text), projected, latents)

    def put_latents(self, tokens: Tensor, maps: PackedLinear | None) -> None:
        """Tokens [B, N, D] into every branch."""
        self._branches(self.rows, len(tokens)).copy_(tokens)
        if self.projected is not None and maps is not None:
            mapped = maps(tokens.flatten(0, 1)).view(*tokens.shape[:2], -1)
            self._branches(self.projected, len(tokens)).copy_(mapped)

    def put_time(self, token: Tensor, mapped: Tensor | None) -> None:
        """One token [D] into all rows, and its maps [3 D]."""
        self.rows[:, self.latents] = token
        if self.projected is not None and mapped is not None:
            self.projected[:, self.latents] = mapped

    def clone(self) -> TokenSequences:
        """A copy in memory of its own."""
        return TokenSequences(
            self.rows.clone(), None if self.projected is None else self.projected.clone(), self.latents
        )

    def copy_(self, other: TokenSequences) -> None:
        """Take over what another one of the same shapes holds."""
        self.rows.copy_(other.rows)
        if self.projected is not None and other.projected is not None:
            self.projected.copy_(other.projected)

    def _branches(self, held: Tensor, batch: int) -> Tensor:
        """Places of the latents, [R / B, B, N, ...]."""
        return held.view(-1, batch, *held.shape[1:])[:, :, : self.latents]
