"""The one place of late imports: ``leadbench --help`` must not wait for torch.

Command modules import what they need through :func:`late` inside the command; everywhere else imports stand at
the top of the module.
"""

from __future__ import annotations

import importlib
from typing import Any


def late(path: str) -> Any:
    """Import ``package.module:attribute`` now.

    >>> late("math:sqrt")(4.0)
    2.0
    """
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
