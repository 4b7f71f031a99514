// One figure: spheres for joints, capsules for bones, as two instanced meshes.
import {
  CapsuleGeometry, Color, CylinderGeometry, Group, IcosahedronGeometry, InstancedMesh, Line, BufferGeometry, BufferAttribute,
  LineBasicMaterial, Matrix4, MeshLambertMaterial, Quaternion, Vector3,
} from "three";
import { contacts, unpack } from "./motion.js";

const UP = new Vector3(0, 1, 0);
const CONTACT = new Color("#e5484d");
const RADIUS = 0.035;
const HEAD = 0.1;

export class Figure {
  /**
   * @param packed one motion of a scene
   * @param skeleton parents, feet, head and sides of its joints
   * @param color of the body; a ghost is translucent
   * @param plain whether few triangles do, where the processor draws them
   */
  constructor(packed, skeleton, color, plain = false) {
    this.label = packed.label;
    this.ghost = Boolean(packed.ghost);
    this.frames = packed.frames;
    this.skeleton = skeleton;
    const joints = skeleton.parents.length;
    this.joints = joints;
    this.values = unpack(packed, joints);
    this.contacts = contacts(this.values, packed.frames, joints, skeleton.feet);
    this.showContacts = true;
    this.group = new Group();
    const material = new MeshLambertMaterial({ transparent: this.ghost, opacity: this.ghost ? 0.28 : 1, depthWrite: !this.ghost });
    this.balls = new InstancedMesh(new IcosahedronGeometry(RADIUS, plain ? 0 : 1), material, joints);
    this.bones = new InstancedMesh(plain ? new CylinderGeometry(RADIUS * 0.8, RADIUS * 0.8, 1, 5, 1, true) : new CapsuleGeometry(RADIUS * 0.8, 1, 2, 6), material, joints - 1);
    this.base = new Color(color);
    this.other = this.base.clone().offsetHSL(0, -0.08, 0.14); // the left side is lighter
    this.balls.frustumCulled = this.bones.frustumCulled = false;
    this.group.add(this.balls, this.bones);
    this.trail = this.#makeTrail();
    this.group.add(this.trail);
    for (let j = 1; j < joints; j++) this.bones.setColorAt(j - 1, this.#side(j));
    this.scratch = { m: new Matrix4(), q: new Quaternion(), a: new Vector3(), b: new Vector3(), s: new Vector3(1, 1, 1), d: new Vector3() };
    this.show(0);
  }

  #side(joint) { return this.skeleton.left.includes(joint) ? this.other : this.base; }

  #makeTrail() {
    const points = new Float32Array(this.frames * 3);
    for (let f = 0; f < this.frames; f++) points.set([this.at(f, 0)[0], 0.012, this.at(f, 0)[2]], 3 * f);
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(points, 3));
    const line = new Line(geometry, new LineBasicMaterial({ color: this.base, transparent: true, opacity: 0.7 }));
    line.visible = false;
    line.frustumCulled = false;
    return line;
  }

  /** Place of a joint in a frame, [x, y, z]. */
  at(frame, joint) {
    const start = (Math.min(frame, this.frames - 1) * this.joints + joint) * 3;
    return this.values.subarray(start, start + 3);
  }

  /** Put the body into the pose of a moment, in frames; between two frames joints are blended. */
  show(moment) {
    const { m, q, a, b, s, d } = this.scratch;
    const last = this.frames - 1;
    const low = Math.min(Math.floor(moment), last), high = Math.min(low + 1, last), share = Math.min(moment, last) - low;
    const place = (joint, target) => {
      const p = this.at(low, joint), n = this.at(high, joint);
      return target.set(p[0] + share * (n[0] - p[0]), p[1] + share * (n[1] - p[1]), p[2] + share * (n[2] - p[2]));
    };
    q.identity();
    for (let j = 0; j < this.joints; j++) {
      const size = j === this.skeleton.head ? HEAD / RADIUS : 1;
      this.balls.setMatrixAt(j, m.compose(place(j, a), q, s.set(size, size, size)));
      const touches = this.showContacts && this.contacts[low * this.joints + j] === 1;
      this.balls.setColorAt(j, touches ? CONTACT : this.#side(j));
    }
    for (let j = 1; j < this.joints; j++) {
      place(this.skeleton.parents[j], a);
      place(j, b);
      d.subVectors(b, a);
      const length = d.length();
      q.setFromUnitVectors(UP, length > 1e-6 ? d.divideScalar(length) : UP);
      this.bones.setMatrixAt(j - 1, m.compose(a.add(b).multiplyScalar(0.5), q, s.set(1, length, 1)));
    }
    this.balls.instanceMatrix.needsUpdate = this.bones.instanceMatrix.needsUpdate = true;
    if (this.balls.instanceColor) this.balls.instanceColor.needsUpdate = true;
  }

  dispose() {
    for (const part of [this.balls, this.bones, this.trail]) { part.geometry.dispose(); part.material.dispose(); }
    this.balls.dispose();
    this.bones.dispose();
  }
}
