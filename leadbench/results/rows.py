"""What a row of a table is of: an identity made of fields. Names are made in :mod:`leadbench.report` alone."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from leadbench.core.config import FrozenModel

Source = Literal["real", "train", "reconstruction", "latents", "generated", "given"]
"""Where the measured motions come from.

``real``: test motions; ``train``: train motions; ``reconstruction``: test motions through the autoencoder; ``latents``:
latents that no backbone made, decoded; ``generated``: a backbone's; ``given``: a folder of motions, whoever made them.
"""

Setting = str | int | float


class Row(FrozenModel):
    """Identity of a row: two records belong to one row exactly where all fields are equal.

    Attributes:
        source: where the measured motions come from.
        backbone: registered name.
        projector: registered name (``lead`` is the bundled one); None where latents are not projected.
        variant: of the projector, as in its card (``no-align``); None for the whole one.
        control: what stands in the place of a model (``clamp``, ``shuffled-captions``); None for models.
        steps, guidance: of the sampling.
        setting: what a task varies beside these, such as ``{"batch": 8}``.
    """

    source: Source = "generated"
    backbone: str | None = None
    projector: str | None = None
    variant: str | None = None
    control: str | None = None
    steps: int | None = None
    guidance: float | None = None
    setting: dict[str, Setting] = Field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that are set; those of ``setting`` beside the others."""
        fixed = {name: value for name, value in self if name != "setting" and value is not None}
        return {**fixed, **dict(sorted(self.setting.items()))}

    @property
    def key(self) -> str:
        """The identity as text.

        >>> Row(backbone="mld", steps=50, setting={"batch": 8}).key
        '{"source":"generated","backbone":"mld","steps":50,"setting":{"batch":8}}'
        """
        fixed = {name: value for name, value in self if name != "setting" and value is not None}
        more = {"setting": dict(sorted(self.setting.items()))} if self.setting else {}
        return json.dumps({**fixed, **more}, separators=(",", ":"))

    def __hash__(self) -> int:
        return hash(self.key)


REAL = Row(source="real")
"""The row of the real test motions."""

SHUFFLED = Row(source="real", control="shuffled-captions")
"""The real test motions, each with another one's caption: what chance is."""
