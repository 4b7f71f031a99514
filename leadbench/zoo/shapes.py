"""What foreign tensors must be before their shapes are read: present, tensors, and of the right number of axes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from leadbench.core.errors import WeightsError

Axes = tuple[int, ...]


def require_tensors(tensors: Mapping[str, object], needed: Mapping[str, Axes], where: str, prefix: str = "") -> None:
    """Check the tensors that a configuration is read off.

    Args:
        tensors: by name.
        needed: name -> numbers of axes that are allowed; a name that ends in ``?`` need not be there.
        where: begins the message.
        prefix: what the names lack of those in the file.

    Raises:
        WeightsError: lists all that are missing, are no tensors, are empty or have another number of axes.

    >>> import torch
    >>> require_tensors({"a": torch.zeros(2)}, {"a": (2, 3), "b": (1,), "c?": (1,)}, "file", "vae.")
    Traceback (most recent call last):
    leadbench.core.errors.WeightsError: file: vae.a is [2], needs 2 or 3 axes; missing vae.b
    """
    problems = []
    for marked, axes in needed.items():
        name = marked.removesuffix("?")
        if name not in tensors:
            problems += [] if marked.endswith("?") else [f"missing {prefix}{name}"]
            continue
        value = tensors[name]
        if not isinstance(value, Tensor):
            problems.append(f"{prefix}{name} is {type(value).__name__}, no tensor")
        elif value.ndim not in axes or not value.numel():
            wanted = " or ".join(map(str, axes))
            problems.append(f"{prefix}{name} is {list(value.shape)}, needs {wanted} axes")
    if problems:
        raise WeightsError(f"{where}: {'; '.join(problems)}")
