"""Every kind of part has a hook, a page and a scaffold."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.plugins.hookspecs import LeadbenchHooks
from leadbench.plugins.kinds import CONTRACTS, HELD, KINDS, hook_name

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_hook(kind: str) -> None:
    assert callable(getattr(LeadbenchHooks, hook_name(kind)))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"command"}))
def test_a_kind_has_a_page(kind: str) -> None:
    assert (ROOT / "docs" / "plugins" / f"{kind.replace('_', '-')}.md").is_file()


def test_what_is_said_of_kinds_is_said_of_known_ones() -> None:
    assert set(CONTRACTS) <= set(KINDS)
    assert set(HELD) <= set(KINDS)
