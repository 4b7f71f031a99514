"""Protocols of the text-to-motion benchmark: where the official evaluations differ from each other.

Both draw captions, lengths and crops alike, score R-precision and MM-Dist in shuffled pools of 32 of which the last,
incomplete one is dropped, and take the mean of 20 replications. docs/protocols.md compares them line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class T2MProtocol:
    """What a protocol does with the rows of one replication.

    Attributes:
        name: as in ``--protocol`` and in records.
        complete_pools_only: FID and Diversity, too, leave out the rows of the last, incomplete pool.
        fresh_reference: FID compares with a draw of the real motions of its own, not with the crops whose captions and
            lengths the generated motions got.
        source: official code that does so.
    """

    name: str
    complete_pools_only: bool
    fresh_reference: bool
    source: str


PROTOCOLS: Mapping[str, T2MProtocol] = {
    protocol.name: protocol
    for protocol in (
        # every number comes from data loaders with drop_last, and FID iterates over the real one again
        T2MProtocol("guo-2022", True, True, "text-to-motion, final_evaluations.py, motion_loaders/"),
        # all embeddings are kept, only the loop over pools is cut; MotionLCM does the same
        T2MProtocol("mld", False, False, "motion-latent-diffusion, mld/models/metrics/tm2t.py"),
    )
}
