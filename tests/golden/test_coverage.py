"""Every recorded case and manifest is read by a test."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def names_in_tests() -> set[str]:
    """Names in quotes in the tests, where ``{...}`` of an f-string stands for one word."""
    own = Path(__file__).resolve()
    sources = [path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py")) if path.resolve() != own]
    return {name for source in sources for name in re.findall(r'"([\w{}]+)"', source)}


def unread(names: set[str], mentioned: set[str]) -> list[str]:
    """Names that no pattern matches; a pattern of variables alone says nothing.

    An f-string counts for what its variable is set to somewhere in the tests.
    """
    patterns = [name for name in mentioned if "{" in name and re.sub(r"\{\w+\}", "", name)]
    filled = {
        pattern: re.compile(re.sub(r"\\\{\w+\\\}", r"(\\w+)", re.escape(pattern))) for pattern in sorted(patterns)
    }

    def read(name: str) -> bool:
        matches = (form.fullmatch(name) for form in filled.values())
        return name in mentioned or any(set(match.groups()) <= mentioned for match in matches if match)

    return sorted(name for name in names if not read(name))


def test_no_recorded_case_goes_unread(golden: Path) -> None:
    cases = {path.parent.name for path in golden.glob("*/case.json")}
    manifests = {path.stem for path in (golden / "manifests").glob("*.json")} - {"case"}
    assert len(cases) > 5
    assert len(manifests) > 5
    left = unread(cases | manifests, names_in_tests())
    assert not left, f"recorded, but read by no test: {', '.join(left)}"


def test_a_case_that_nobody_reads_is_listed() -> None:
    mentioned = {"mld_vae", "sampling_{version}", "v1", "{name}"}
    assert unread({"mld_vae", "sampling_v1", "sampling_v2", "other"}, mentioned) == ["other", "sampling_v2"]
