// Decoding of packed motions: base64 of little-endian int16, one offset and one step for each axis.

/** Joints of a packed motion: Float32Array of frames x joints x 3, in metres, y up. */
export function unpack(packed, joints) {
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const axis = i % 3;
    values[i] = packed.offset[axis] + packed.step[axis] * view.getInt16(2 * i, true);
  }
  if (values.length !== packed.frames * joints * 3) throw new Error(`motion ${packed.label}: wrong length`);
  return values;
}

/** For each frame and joint whether a foot's joint stands still (HumanML3D's rule: squared step below 0.002 m²). */
export function contacts(values, frames, joints, feet) {
  const found = new Uint8Array(frames * joints);
  for (const joint of feet) {
    for (let f = 0; f < frames; f++) {
      const a = (Math.min(f, frames - 2) * joints + joint) * 3;
      const b = a + joints * 3;
      if (frames < 2) continue;
      const step = (values[b] - values[a]) ** 2 + (values[b + 1] - values[a + 1]) ** 2 + (values[b + 2] - values[a + 2]) ** 2;
      found[f * joints + joint] = step < 0.002 ? 1 : 0;
    }
  }
  return found;
}

/** For each frame the least and the greatest x of the roots of some figures, from where one of them begins. */
export function breadth(figures, first, joints, frames) {
  return Array.from({ length: frames }, (_, f) => {
    const places = figures.map((figure) => figure.values[Math.min(f, figure.frames - 1) * joints * 3] - first.values[0]);
    return [Math.min(...places), Math.max(...places)];
  });
}

/** Least and greatest x and z of a motion's root, relative to its first frame. */
export function extent(values, frames, joints) {
  const box = { x: [0, 0], z: [0, 0] };
  for (let f = 0; f < frames; f++) {
    const at = f * joints * 3;
    const dx = values[at] - values[0], dz = values[at + 2] - values[2];
    box.x = [Math.min(box.x[0], dx), Math.max(box.x[1], dx)];
    box.z = [Math.min(box.z[0], dz), Math.max(box.z[1], dz)];
  }
  return box;
}
