"""Writing of glTF binary: an animated skeleton with a simple skin, so that every viewer shows a body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import ConfigError
from leadbench.core.files import replacing
from leadbench.motion.bvh import SkeletalMotion

FloatArray = NDArray[np.float64]
_FLOAT, _UINT, _UBYTE = 5126, 5125, 5121  # component types of the format
_WIDTH = 0.22  # of a bone's thickest part, as a share of its length
_FACES = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1), (5, 2, 1), (5, 3, 2), (5, 4, 3), (5, 1, 4)]


def write_glb(motion: SkeletalMotion, offsets: FloatArray, path: Path, *, name: str = "motion") -> Path:
    """Write a motion in metres, Y up, with keys at every frame.

    Args:
        motion: [F, J], translations in metres.
        offsets: of the rest pose [J, 3], in metres.
        path: of the file; written whole or not at all.
        name: of the animation.

    Raises:
        ConfigError: pygltflib is not installed.
    """
    try:
        import pygltflib  # type: ignore[import-untyped,unused-ignore]
    except ImportError as exc:
        raise ConfigError("glTF needs pygltflib (pip install 'leadbench[export]')") from exc
    parts = _Parts(pygltflib)
    root, count = motion.parents.index(-1), len(motion.names)
    skin, mesh = _skinned(parts, motion, offsets, root)
    animation = _animated(parts, motion, name)
    nodes = [
        pygltflib.Node(
            name=motion.names[joint],
            translation=[float(value) for value in offsets[joint]],
            children=[child for child, parent in enumerate(motion.parents) if parent == joint],
        )
        for joint in range(count)
    ]
    nodes.append(pygltflib.Node(name="body", mesh=0, skin=0))
    paint = pygltflib.PbrMetallicRoughness(baseColorFactor=[0.23, 0.51, 0.96, 1.0], metallicFactor=0.0)
    content = pygltflib.GLTF2(
        asset=pygltflib.Asset(version="2.0", generator="leadbench"),
        scene=0,
        scenes=[pygltflib.Scene(nodes=[root, count])],
        nodes=nodes,
        meshes=[mesh],
        materials=[pygltflib.Material(pbrMetallicRoughness=paint, doubleSided=True)],
        skins=[skin],
        animations=[animation],
        accessors=parts.accessors,
        bufferViews=parts.views,
        buffers=[pygltflib.Buffer(byteLength=len(parts.blob))],
    )
    content.set_binary_blob(bytes(parts.blob))
    with replacing(path) as temporary:
        temporary.write_bytes(b"".join(content.save_to_bytes()))
    return path


class _Parts:
    """The binary part of a file, with a view and an accessor of each array."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.blob = bytearray()
        self.views: list[Any] = []
        self.accessors: list[Any] = []

    def add(self, values: NDArray[Any], form: str, component: int = _FLOAT, *, bounds: bool = False) -> int:
        """Append an array; the number of its accessor."""
        kind = {_FLOAT: "<f4", _UINT: "<u4", _UBYTE: "u1"}[component]
        array = np.ascontiguousarray(values, dtype=kind)
        rows = array.reshape(len(array), -1)
        self.views.append(self.library.BufferView(buffer=0, byteOffset=len(self.blob), byteLength=array.nbytes))
        limits = {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()} if bounds else {}
        self.accessors.append(
            self.library.Accessor(
                bufferView=len(self.views) - 1, componentType=component, count=len(array), type=form, **limits
            )
        )
        self.blob += array.tobytes()
        self.blob += bytes(-len(self.blob) % 4)
        return len(self.accessors) - 1


def _skinned(parts: _Parts, motion: SkeletalMotion, offsets: FloatArray, root: int) -> tuple[Any, Any]:
    """The skin and the mesh of a simple body."""
    library, count = parts.library, len(motion.names)
    rest = _rest_positions(motion, offsets)
    vertices, owners, faces = _body(motion, rest)
    bound = np.stack([owners, *[np.zeros_like(owners)] * 3], axis=1)
    weights = np.tile([1.0, 0.0, 0.0, 0.0], (len(vertices), 1))
    attributes = library.Attributes(
        POSITION=parts.add(vertices, "VEC3", bounds=True),
        JOINTS_0=parts.add(bound, "VEC4", _UBYTE),
        WEIGHTS_0=parts.add(weights, "VEC4"),
    )
    indices = parts.add(faces.reshape(-1), "SCALAR", _UINT)
    inverse = np.tile(np.eye(4), (count, 1, 1))
    inverse[:, 3, :3] = -rest  # column-major, as the format wants matrices
    bind = parts.add(inverse, "MAT4")
    skin = library.Skin(joints=list(range(count)), skeleton=root, inverseBindMatrices=bind)
    return skin, library.Mesh(primitives=[library.Primitive(attributes=attributes, indices=indices, material=0)])


def _animated(parts: _Parts, motion: SkeletalMotion, name: str) -> Any:
    """Keys of every joint's translation and rotation at every frame."""
    library = parts.library
    times = parts.add(np.arange(len(motion.translations)) / motion.fps, "SCALAR", bounds=True)
    samplers, channels = [], []
    for joint in range(len(motion.names)):
        for kind, values, form in (
            ("translation", motion.translations[:, joint], "VEC3"),
            ("rotation", motion.rotations[:, joint], "VEC4"),
        ):
            samplers.append(library.AnimationSampler(input=times, output=parts.add(values, form)))
            target = library.AnimationChannelTarget(node=joint, path=kind)
            channels.append(library.AnimationChannel(sampler=len(samplers) - 1, target=target))
    return library.Animation(name=name, samplers=samplers, channels=channels)


def _rest_positions(motion: SkeletalMotion, offsets: FloatArray) -> FloatArray:
    rest = np.array(offsets)
    for joint, parent in enumerate(motion.parents):
        if parent >= 0:
            rest[joint] = rest[parent] + offsets[joint]
    return rest


def _body(motion: SkeletalMotion, rest: FloatArray) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """An octahedron along each bone: vertices [V, 3] of the rest pose, the joint that moves each, faces [T, 3]."""
    vertices: list[FloatArray] = []
    owners: list[int] = []
    faces: list[list[int]] = []
    for joint, parent in enumerate(motion.parents):
        bone = rest[joint] - rest[parent]
        length = float(np.linalg.norm(bone))
        if parent < 0 or length == 0.0:
            continue
        along = bone / length
        side = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        ring = [side, np.cross(along, side), -side, -np.cross(along, side)]
        waist = rest[parent] + 0.2 * bone
        start = len(vertices)
        vertices += [rest[parent], *(waist + 0.5 * _WIDTH * length * r for r in ring), rest[joint]]
        owners += [parent] * 6
        faces += [[start + index for index in face] for face in _FACES]
    return np.array(vertices), np.array(owners), np.array(faces)
