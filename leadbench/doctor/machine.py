"""What leadbench finds on this machine: versions, devices, caches, encoders, plugins; and how to fix it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch

from leadbench.core.config import EncoderSettings
from leadbench.core.provenance import hardware
from leadbench.core.settings import cache_folder, settings
from leadbench.doctor.device import examine_device
from leadbench.doctor.diagnosis import Diagnosis
from leadbench.plugins.hookspecs import Registration, TextEncoderRegistration, imported
from leadbench.plugins.manager import Plugins
from leadbench.zoo.embedded import changed_files, shipped, shipped_names

_NAMES = "leadbench torch numpy scipy diffusers sentence-transformers open_clip_torch wordllama"


def examine(plugins: Plugins, device: str | None = None) -> list[Diagnosis]:
    """All diagnoses; those with a ``fix`` are problems. ``device`` is asked about; None: what the settings say."""
    return [
        *_machine(),
        *examine_device(plugins, device),
        *_packages(),
        *_models(),
        *_encoders(plugins),
        *_plugins(plugins),
    ]


def _machine() -> list[Diagnosis]:
    found = hardware()
    processor = (
        f"{found['cpu']}, {found['cores']} cores, {found['memory_gib']} GiB, torch uses {found['threads']} threads"
    )
    if torch.cuda.is_available():  # pragma: cuda
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        cuda = f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}, {bf16}"
    else:
        cuda = "none"
    return [Diagnosis("python", platform.python_version()), Diagnosis("machine", processor), Diagnosis("gpu", cuda)]


def _packages() -> list[Diagnosis]:
    diagnoses = []
    for name in _NAMES.split():
        try:
            diagnoses.append(Diagnosis(name, version(name)))
        except PackageNotFoundError:
            diagnoses.append(Diagnosis(name, "not installed", f"pip install {name}"))
    return diagnoses


def _models() -> list[Diagnosis]:
    folder = cache_folder()
    near = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    writable = os.access(near, os.W_OK)
    diagnoses = [
        Diagnosis("cache", str(folder), "" if writable else "set LEADBENCH_CACHE to a folder that can be written")
    ]
    if not shipped_names():
        return [*diagnoses, Diagnosis("shipped models", "none", "install leadbench again")]
    for name in shipped_names():
        models = shipped(name)
        wrong = changed_files(models)
        found = "; ".join(wrong) or f"{len(models.files)} files, {models.bytes / 1e6:.1f} MB, as shipped"
        diagnoses.append(Diagnosis(f"models {name}", found, "install leadbench again" if wrong else ""))
    return diagnoses


def _encoders(plugins: Plugins) -> list[Diagnosis]:
    return [_encoder(plugins, registration) for _, registration in plugins.all("text_encoder")]


def _encoder(plugins: Plugins, registration: Registration) -> Diagnosis:
    """Whether an encoder's packages and weights are here: in the configured folder, or in the hub's cache."""
    what = f"encoder {registration.name}"
    missing = [package for package in registration.requires if find_spec(package) is None]
    if missing:
        return Diagnosis(what, f"needs {', '.join(missing)}", f"pip install {' '.join(missing)}")
    if not isinstance(registration, TextEncoderRegistration) or registration.identity is None:
        return Diagnosis(what, "does not say whether its weights are here")
    try:
        identity = imported(registration.identity)(plugins.context("text_encoder", registration.name))
    except (ImportError, AttributeError, OSError) as exc:
        return Diagnosis(what, f"its weights cannot be looked at ({exc})", "ask the plugin's author")
    if identity is not None:
        return Diagnosis(what, "its weights are here: can be used offline")
    asked = getattr(settings().encoders, registration.name, None)
    by_user = asked is not None and asked != getattr(EncoderSettings(), registration.name, None)
    place = f"no weights in {asked}" if by_user else "no weights on this machine"
    return Diagnosis(what, place, registration.weights or "see its plugin's page", optional=not by_user)


def _plugins(plugins: Plugins) -> list[Diagnosis]:
    return [
        Diagnosis(f"plugin {info.name}", info.error, "update or uninstall it")
        if info.error
        else Diagnosis(f"plugin {info.name}", f"offers {len(info.offers)}")
        for info in plugins.infos
    ]
