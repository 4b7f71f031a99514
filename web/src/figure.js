// Figures: spheres for joints, capsules for bones. All figures of a kind are two instanced meshes together, since machines without
// a graphics processor spend their time on calls.
import {
  CapsuleGeometry, Color, CylinderGeometry, Group, IcosahedronGeometry, InstancedMesh, Line, BufferGeometry, BufferAttribute,
  LineBasicMaterial, Matrix4, MeshLambertMaterial, Quaternion, Vector3,
} from "three";
import { mergeVertices } from "three/examples/jsm/utils/BufferGeometryUtils.js";
import { contacts, unpack } from "./motion.js";

const UP = new Vector3(0, 1, 0);
const CONTACT = new Color("#e5484d");
const RADIUS = 0.035;
const HEAD = 0.1;
const scratch = { m: new Matrix4(), q: new Quaternion(), a: new Vector3(), b: new Vector3(), s: new Vector3(), d: new Vector3() };

/** A ball whose triangles share their corners: smooth, and a fifth of the work. */
function ball(detail) {
  const geometry = new IcosahedronGeometry(RADIUS, detail);
  geometry.deleteAttribute("uv");
  geometry.deleteAttribute("normal");
  const merged = mergeVertices(geometry);
  merged.computeVertexNormals();
  return merged;
}

/** The motion of one figure, and where it stands. */
export class Figure {
  /**
   * @param packed one motion of a scene
   * @param skeleton parents, feet, head and sides of its joints
   * @param color of the body
   */
  constructor(packed, skeleton, color) {
    this.label = packed.label;
    this.ghost = Boolean(packed.ghost);
    this.frames = packed.frames;
    this.skeleton = skeleton;
    this.joints = skeleton.parents.length;
    this.values = unpack(packed, this.joints);
    this.contacts = contacts(this.values, packed.frames, this.joints, skeleton.feet);
    this.showContacts = true;
    this.position = new Vector3();
    this.base = new Color(color);
    this.other = this.base.clone().offsetHSL(0, -0.08, 0.14); // the left side is lighter
    this.trail = this.#makeTrail();
  }

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

  side(joint) { return this.skeleton.left.includes(joint) ? this.other : this.base; }

  /** Place of a joint in a frame, [x, y, z], before the figure is put where it stands. */
  at(frame, joint) {
    const start = (Math.min(frame, this.frames - 1) * this.joints + joint) * 3;
    return this.values.subarray(start, start + 3);
  }

  dispose() { this.trail.geometry.dispose(); this.trail.material.dispose(); }
}

/** The bodies of several figures. */
export class Bodies {
  /**
   * @param figures all of one skeleton
   * @param ghost whether they are translucent
   * @param plain whether few triangles do
   */
  constructor(figures, ghost, plain) {
    this.figures = figures;
    this.group = new Group();
    if (figures.length === 0) return;
    const joints = figures[0].joints;
    const material = new MeshLambertMaterial({ transparent: ghost, opacity: ghost ? 0.28 : 1, depthWrite: !ghost });
    const bone = plain ? new CylinderGeometry(RADIUS * 0.8, RADIUS * 0.8, 1, 5, 1, true) : new CapsuleGeometry(RADIUS * 0.8, 1, 2, 6);
    this.balls = new InstancedMesh(ball(plain ? 0 : 1), material, figures.length * joints);
    this.bones = new InstancedMesh(bone, material, figures.length * (joints - 1));
    this.balls.frustumCulled = this.bones.frustumCulled = false;
    this.group.add(this.balls, this.bones);
    figures.forEach((figure, number) => {
      for (let j = 1; j < joints; j++) this.bones.setColorAt(number * (joints - 1) + j - 1, figure.side(j));
    });
  }

  /** Put all bodies into their poses of a moment, in frames; between two frames joints are blended. */
  show(moment) {
    if (this.figures.length === 0) return;
    this.figures.forEach((figure, number) => this.#pose(figure, number, moment));
    this.balls.instanceMatrix.needsUpdate = this.bones.instanceMatrix.needsUpdate = true;
    this.balls.instanceColor.needsUpdate = true;
  }

  #pose(figure, number, moment) {
    const { m, q, a, b, s, d } = scratch;
    const { joints, skeleton, position } = figure;
    const last = figure.frames - 1;
    const low = Math.min(Math.floor(moment), last), high = Math.min(low + 1, last), share = Math.min(moment, last) - low;
    const place = (joint, target) => {
      const p = figure.at(low, joint), n = figure.at(high, joint);
      return target.set(p[0] + share * (n[0] - p[0]), p[1] + share * (n[1] - p[1]), p[2] + share * (n[2] - p[2])).add(position);
    };
    q.identity();
    for (let j = 0; j < joints; j++) {
      const size = j === skeleton.head ? HEAD / RADIUS : 1;
      this.balls.setMatrixAt(number * joints + j, m.compose(place(j, a), q, s.set(size, size, size)));
      const touches = figure.showContacts && figure.contacts[low * joints + j] === 1;
      this.balls.setColorAt(number * joints + j, touches ? CONTACT : figure.side(j));
    }
    for (let j = 1; j < joints; j++) {
      place(skeleton.parents[j], a);
      place(j, b);
      d.subVectors(b, a);
      const length = d.length();
      q.setFromUnitVectors(UP, length > 1e-6 ? d.divideScalar(length) : UP);
      this.bones.setMatrixAt(number * (joints - 1) + j - 1, m.compose(a.add(b).multiplyScalar(0.5), q, s.set(1, length, 1)));
    }
  }

  dispose() {
    if (this.figures.length === 0) return;
    for (const part of [this.balls, this.bones]) { part.geometry.dispose(); part.dispose(); }
    this.balls.material.dispose();
  }
}
