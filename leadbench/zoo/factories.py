"""Factories of the bundled parts, as the hooks name them; heavy packages are imported where they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.humanml3d import humanml3d as open_humanml3d
from leadbench.data.humanml3d import kit_ml as open_kit_ml
from leadbench.plugins.context import Context
from leadbench.zoo.loaded import LoadedAutoencoder, LoadedEvaluator, LoadedProjector, LoadedTmr
from leadbench.zoo.store import load_projector

if TYPE_CHECKING:
    from leadbench.core.contracts import TextEncoder


def humanml3d(context: Context) -> HumanML3DFolder:
    """HumanML3D from its folder."""
    return open_humanml3d(context.path)


def kit_ml(context: Context) -> HumanML3DFolder:
    """KIT-ML from its folder."""
    return open_kit_ml(context.path)


def folder(context: Context) -> HumanML3DFolder:
    """Any folder in HumanML3D's on-disk format."""
    return HumanML3DFolder(context.path)


def minilm(context: Context) -> TextEncoder:
    """all-MiniLM-L6-v2."""
    from leadbench.text import sentence

    return sentence.minilm()


def t5(context: Context) -> TextEncoder:
    """sentence-t5-large."""
    from leadbench.text import sentence

    return sentence.t5()


def wordllama(context: Context) -> TextEncoder:
    """WordLlama's static vectors."""
    from leadbench.text import static

    return static.wordllama()


def wordllama_parts(context: Context) -> TextEncoder:
    """WordLlama's static vectors, in order."""
    from leadbench.text import parts

    return parts.wordllama_parts()


def clip(context: Context) -> TextEncoder:
    """CLIP ViT-L/14."""
    from leadbench.text import clip as tower

    return tower.clip()


def vae(context: Context) -> LoadedAutoencoder:
    """The autoencoder that ``leadbench train autoencoder`` wrote."""
    return context.models.autoencoder()


def motionclip(context: Context) -> LoadedAutoencoder:
    """The autoencoder that ``leadbench train motionclip`` wrote."""
    return context.models.autoencoder("motionclip")


def lead_projector(context: Context) -> LoadedProjector:
    """A LEAD projector from its file."""
    return load_projector(context.path)


def guo(context: Context) -> LoadedEvaluator:
    """The co-embedding networks that ``leadbench train evaluator`` wrote, or the official ones."""
    return context.models.evaluator()


def guo_essential(context: Context) -> LoadedEvaluator:
    """The same networks on essential features, which ``leadbench train evaluator --kind guo-essential`` wrote."""
    return context.models.evaluator("evaluator-essential")


def tmr(context: Context) -> LoadedTmr:
    """The networks in the manner of TMR that ``leadbench train evaluator --kind tmr`` wrote."""
    return context.models.tmr()
