"""What rows are called in tables and figures: the only place where the identity of a row becomes text."""

from __future__ import annotations

from collections.abc import Mapping

from leadbench.results.rows import Row

PAPER_NAMES: Mapping[str, str] = {
    "mld": "MLD",
    "motionlcm": "MotionLCM",
    "motionlcm-v2": "MotionLCM-v2",
    "motionclip": "MotionCLIP",
    "lead": "LEAD",
}
"""Names of the paper, for rows whose run does not give one."""

VARIANT_NAMES: Mapping[str, str] = {
    "mlp": "mlp",
    "skip": "skip",
    "no-var": "w/o KL",
    "no-align": "w/o align",
    "no-rec": "w/o rec",
}
"""Variants of the LEAD projector, as the paper's Table 6 calls them."""

_CONTROLS = {
    "shuffled-captions": "Real, shuffled captions",
    "other-latents": "Other test latents",
    "gaussian-latents": "Gaussian latents",
    "standard-normal-latents": "N(0, I) latents",
}
_SOURCES = {"real": "Real", "train": "Train sample", "reconstruction": "Reconstruction"}
_SPACES = {"latents": "Latents", "projected": "Projected", "difference": "Projected - Latents"}
_INITIAL = "Initial word"


def model_name(name: str, names: Mapping[str, str] | None = None) -> str:
    """Name of a backbone or projector in tables: the run's, else the paper's, else the registered one.

    >>> model_name("mld"), model_name("mine", {"mine": "Mine"}), model_name("other")
    ('MLD', 'Mine', 'other')
    """
    return (names or {}).get(name) or PAPER_NAMES.get(name, name)


def row_name(row: Row, names: Mapping[str, str] | None = None) -> str:
    """Name of a row, without steps and guidance; ``names`` are the run's (registered name -> name in tables).

    >>> row_name(Row(backbone="mld", projector="lead", variant="no-align", steps=50))
    'LEAD w/o align (MLD)'
    >>> row_name(Row(backbone="mld", control="clamp"))
    'MLD + clamp'
    >>> row_name(Row(backbone="mld", projector="lead", setting={"words": "mld"}))
    'MTI mld + project'
    """
    if "space" in row.setting:
        return _space(row)
    if "words" in row.setting:
        return _words(row, names)
    if "corruption" in row.setting:
        return str(row.setting["corruption"])
    if row.source == "given":
        return str(row.setting.get("name", "Given motions"))
    if row.source != "generated":
        name = _CONTROLS[row.control] if row.control in _CONTROLS else _SOURCES.get(row.source, row.source)
        return name if row.backbone is None else f"{name} ({model_name(row.backbone, names)})"
    if row.backbone is None:
        return ", ".join(f"{field} {value}" for field, value in row.fields.items() if field != "source") or "Generated"
    base = model_name(row.backbone, names)
    if row.projector is not None:
        variant = VARIANT_NAMES.get(row.variant, row.variant) if row.variant else None
        return " ".join(filter(None, (model_name(row.projector, names), variant, f"({base})")))
    return f"{base} + {row.control}" if row.control else base


def row_with_steps(row: Row, names: Mapping[str, str] | None = None) -> str:
    """A row's name with its number of steps, where it has one.

    >>> row_with_steps(Row(backbone="mld", steps=50)), row_with_steps(Row(backbone="motionlcm", steps=1))
    ('MLD, 50 steps', 'MotionLCM, 1 step')
    """
    name = row_name(row, names)
    return name if row.steps is None else f"{name}, {row.steps} step{'s' if row.steps > 1 else ''}"


def alignment(aligned: str | None, driven: str | None = None, variant: str | None = None) -> str | None:
    """What a projector was aligned to, in words; None where there is none.

    >>> alignment("minilm", "wordllama")
    'aligned minilm, driven wordllama'
    """
    if aligned is None:
        return None
    parts = [f"aligned {aligned}", f"driven {driven}" if driven else None, variant]
    return ", ".join(part for part in parts if part)


def _space(row: Row) -> str:
    name = _SPACES.get(str(row.setting["space"]), str(row.setting["space"]))
    parts = [name, "PCA" if row.setting.get("reduction") == "pca" else None, "shuffled" if row.control else None]
    return ", ".join(part for part in parts if part)


def _words(row: Row, names: Mapping[str, str] | None) -> str:
    loss = row.setting["words"]
    name = _INITIAL if loss == "initial" else f"MTI {loss}"
    if row.variant is not None:
        name = f"{name}, {VARIANT_NAMES.get(row.variant, row.variant)}"
    if row.projector is None:
        return name
    return f"{name} + project" if row.projector == "lead" else f"{name} + {model_name(row.projector, names)}"
