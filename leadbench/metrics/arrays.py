"""Entry of every metric: float64 on the CPU, shapes checked, NaN and infinity refused."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadbench.core.errors import DataError, NonFiniteError

ArrayLike = Tensor | NDArray[np.floating]
IndexLike = Tensor | NDArray[np.integer]


def finite_float64(values: ArrayLike, axes: str, what: str) -> Tensor:
    """Bring ``values`` to float64 on the CPU; ``axes`` (such as ``"N E"``) says how many axes there must be.

    Raises:
        DataError: another number of axes.
        NonFiniteError: NaN or infinite values; the message names the first rows that hold them.

    >>> finite_float64(np.array([[1.0, float("nan")]]), "N E", "motion embeddings")
    Traceback (most recent call last):
    ...
    leadbench.core.errors.NonFiniteError: motion embeddings: 1 of 1 rows hold NaN or infinite values (first rows: 0)
    """
    own = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values, dtype=np.float64))
    tensor = own.to(device="cpu", dtype=torch.float64)
    if tensor.ndim != len(axes.split()):
        raise DataError(f"{what}: shape {tuple(tensor.shape)}, expected [{', '.join(axes.split())}]")
    bad = (~torch.isfinite(tensor)).flatten(1).any(dim=1).nonzero().flatten().tolist()
    if bad:
        rows = ", ".join(map(str, bad[:5]))
        raise NonFiniteError(
            f"{what}: {len(bad)} of {len(tensor)} rows hold NaN or infinite values (first rows: {rows})"
        )
    return tensor


def row_indices(values: IndexLike, rows: int, what: str) -> Tensor:
    """Return ``values`` [K] as int64 on the CPU, each checked to lie in 0 .. rows - 1.

    Raises:
        DataError: not one axis, not integers, or out of range.
    """
    index = torch.as_tensor(values).cpu()
    if index.ndim != 1 or index.is_floating_point() or index.dtype == torch.bool:
        raise DataError(f"{what}: must be integers [K], not {index.dtype} {tuple(index.shape)}")
    if len(index) and (int(index.min()) < 0 or int(index.max()) >= rows):
        raise DataError(f"{what}: {int(index.min())} to {int(index.max())} do not all lie in 0 to {rows - 1}")
    return index.long()
