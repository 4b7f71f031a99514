"""All actions."""

from __future__ import annotations

from collections.abc import Mapping

from leadbench.data.synthetic import gestures, locomotion, whole_body
from leadbench.data.synthetic.act import Action

ACTIONS: Mapping[str, Action] = {
    "walk": locomotion.walking,
    "jog": locomotion.jogging,
    "run": locomotion.running,
    "sneak": locomotion.sneaking,
    "march": locomotion.marching,
    "walk-back": locomotion.backing,
    "side-step": locomotion.sidestepping,
    "turn": locomotion.turning,
    "circle": locomotion.circling,
    "limp": locomotion.limping,
    "jump": whole_body.jumping,
    "leap": whole_body.leaping,
    "hop": whole_body.hopping,
    "squat": whole_body.squatting,
    "sit": whole_body.sitting,
    "bow": whole_body.bowing,
    "crouch": whole_body.crouching,
    "lie": whole_body.lying,
    "kick": whole_body.kicking,
    "pick-up": whole_body.picking,
    "jumping-jacks": whole_body.jacks,
    "sway": whole_body.swaying,
    "wave": gestures.waving,
    "raise": gestures.raising,
    "clap": gestures.clapping,
    "punch": gestures.punching,
    "throw": gestures.throwing,
}
