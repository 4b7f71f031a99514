// The motion player: several motions in one scene, played together. Every <div class="motion-player" data-scene="ID"> gets one;
// its motions are JSON in <script type="application/json" id="ID">.
import {
  CircleGeometry, Color, DirectionalLight, GridHelper, HemisphereLight, InstancedMesh, Matrix4, MeshBasicMaterial, PerspectiveCamera, Scene,
  Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { Bodies, Figure } from "./figure.js";
import { breadth, extent } from "./motion.js";

const COLORS = ["#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#ec4899", "#84cc16"];
const SPEEDS = [0.25, 0.5, 1, 2];
const GAP = 1.1; // metres between the ranges of two figures
const FILLED = 0.88; // of the picture's half width and height
const NEAREST = 2; // metres
const FAR = 2.5; // metres: the camera goes with motions that go further
const ROW = 6; // figures beside each other; the next stand behind them
const SLOW = 1000 / 33; // milliseconds a frame beyond which the picture is drawn with fewer pixels
const LEAST_RATIO = 0.5;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Whether pictures are drawn by the processor: smoothing of edges then costs more than it is worth. */
function software() {
  const probe = document.createElement("canvas").getContext("webgl2");
  const about = probe?.getExtension("WEBGL_debug_renderer_info");
  const name = about ? probe.getParameter(about.UNMASKED_RENDERER_WEBGL) : "";
  probe?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

export class Player {
  constructor(host, content) {
    this.host = host;
    this.content = content;
    this.fps = content.fps;
    this.moment = 0; // in frames
    this.speed = 1;
    this.loop = true;
    this.follow = false;
    this.rendered = 0;
    this.playing = false;
    this.figures = [];
    this.#controls();
    this.#scene();
    this.#figures();
    // motions that travel are seen from near by
    this.follow = this.content.follow ?? this.box.z[1] - this.box.z[0] > FAR;
    this.toggles.f.setAttribute("aria-pressed", String(this.follow));
    this.#frameCamera();
    this.#theme();
    this.resizing = new ResizeObserver(() => this.#resize());
    this.resizing.observe(this.stage);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.restyle = () => { this.#theme(); this.#draw(); };
    this.scheme.addEventListener("change", this.restyle);
    document.addEventListener("themechange", this.restyle);
    this.#resize();
    this.seek(0);
    this.wanted = !calm() && content.autoplay !== false; // until somebody stops it
    this.watching = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) this.#halt();
      else if (this.wanted) this.play();
    }, { threshold: 0.5 });
    this.watching.observe(this.stage);
    host.player = this;
  }

  get frames() { return Math.max(...this.figures.map((figure) => figure.frames)); }

  get seconds() { return this.frames / this.fps; }

  #scene() {
    const canvas = document.createElement("canvas");
    this.plain = software();
    this.renderer = new WebGLRenderer({ canvas, antialias: !this.plain, alpha: true });
    this.ratio = Math.min(devicePixelRatio, 2);
    this.renderer.setPixelRatio(this.ratio);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Animated figures: ${this.content.figures.map((f) => `${f.label}: ${f.caption}`).join("; ")}`);
    this.stage.prepend(canvas);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(40, 1, 0.05, 100);
    this.orbit = new OrbitControls(this.camera, canvas);
    this.orbit.maxPolarAngle = Math.PI / 2 - 0.02;
    this.orbit.addEventListener("change", () => { if (!this.playing) this.#draw(); });
    this.scene.add(new HemisphereLight(0xffffff, 0x667788, 2.2));
    const sun = new DirectionalLight(0xffffff, 1.8);
    sun.position.set(2, 5, 3);
    this.scene.add(sun);
  }

  #figures() {
    const { figures, skeleton } = this.content;
    const joints = skeleton.parents.length;
    const colors = new Map();
    const columns = new Map(); // figures of one place (a ghost and what it accompanies) share a column
    for (const packed of figures) {
      const color = packed.ghost ? "#94a3b8" : COLORS[(packed.color ?? colors.size) % COLORS.length];
      if (!packed.ghost) colors.set(packed.label, color);
      const figure = new Figure(packed, skeleton, color);
      figure.showContacts = this.content.contacts !== false;
      figure.hue = color;
      const place = packed.place ?? `own ${this.figures.length}`;
      if (!columns.has(place)) columns.set(place, []);
      columns.get(place).push(figure);
      this.figures.push(figure);
      this.scene.add(figure.trail);
    }
    const last = Math.max(...this.figures.map((figure) => figure.frames));
    let right = null, back = 0, deepest = 0, number = 0;
    this.box = { x: [0, 0], z: [0, 0] };
    for (const column of columns.values()) {
      if (number > 0 && number % ROW === 0) { back -= deepest + GAP + 0.5; right = null; deepest = 0; }
      number += 1;
      const boxes = column.map((figure) => extent(figure.values, figure.frames, joints));
      const least = Math.min(...boxes.map((box) => box.x[0])), most = Math.max(...boxes.map((box) => box.x[1]));
      const first = column.find((figure) => !figure.ghost) ?? column[0]; // others keep their distance to it
      // far enough to the right that no figure ever comes nearer to the one on its left: they play together, so paths may cross
      const range = breadth(column, first, joints, last);
      const x = right ? Math.max(...right.map((edge, f) => edge - range[f][0])) + GAP : -least;
      right = range.map((edges) => x + edges[1]);
      for (const figure of column) figure.position.set(x - first.values[0], 0, back - first.values[2]);
      this.box.x = [Math.min(this.box.x[0], x + least), Math.max(this.box.x[1], x + most)];
      const near = Math.max(...boxes.map((b) => b.z[1])), far = Math.min(...boxes.map((b) => b.z[0]));
      deepest = Math.max(deepest, near - far);
      this.box.z = [Math.min(this.box.z[0], back + far), Math.max(this.box.z[1], back + near)];
    }
    this.middle = new Vector3((this.box.x[0] + this.box.x[1]) / 2, 0.85, (this.box.z[0] + this.box.z[1]) / 2);
    const reach = Math.ceil(Math.max(this.box.x[1], this.box.z[1] - this.box.z[0]) + 4);
    this.grid = new GridHelper(2 * reach, 2 * reach);
    this.grid.position.set(Math.round(this.middle.x), 0, Math.round(this.middle.z));
    this.scene.add(this.grid);
    for (const figure of this.figures) figure.trail.position.copy(figure.position);
    this.solid = new Bodies(this.figures.filter((figure) => !figure.ghost), false, this.plain);
    this.ghosts = new Bodies(this.figures.filter((figure) => figure.ghost), true, this.plain);
    this.ghosts.group.visible = this.content.ghosts !== false;
    const dark = new MeshBasicMaterial({ color: 0x000000, transparent: true, opacity: 0.16 });
    this.shadows = new InstancedMesh(new CircleGeometry(0.28, 16).rotateX(-Math.PI / 2), dark, Math.max(1, this.solid.figures.length));
    this.shadows.frustumCulled = false;
    this.scene.add(this.solid.group, this.ghosts.group, this.shadows);
    this.labels = this.figures.map((figure) => {
      const label = element("span", { className: "motion-label", textContent: figure.label });
      label.style.setProperty("--hue", figure.hue);
      if (figure.ghost) label.classList.add("motion-label-ghost");
      this.overlay.append(label);
      return label;
    });
    this.scrub.max = String(this.frames - 1);
  }

  #frameCamera() {
    // the nearest place from which all figures are seen: with their whole paths, or where they are now and as far apart
    // as they ever are
    const around = this.follow ? this.#now() : { x: this.box.x, z: this.box.z };
    const corners = [];
    for (const x of [around.x[0] - 0.5, around.x[1] + 0.5]) {
      for (const y of [0, 1.9]) for (const z of [around.z[0] - 0.4, around.z[1] + 0.4]) corners.push(new Vector3(x, y, z));
    }
    this.middle = new Vector3((around.x[0] + around.x[1]) / 2, 0.85, (around.z[0] + around.z[1]) / 2);
    const spot = new Vector3();
    for (let distance = NEAREST; distance < 90; distance *= 1.05) {
      this.camera.position.set(this.middle.x + 0.25 * distance, 0.85 + 0.3 * distance, this.middle.z + 0.92 * distance);
      this.camera.lookAt(this.middle);
      this.camera.updateMatrixWorld();
      const inside = corners.every((corner) => {
        spot.copy(corner).project(this.camera);
        return spot.z < 1 && Math.abs(spot.x) < FILLED && Math.abs(spot.y) < FILLED;
      });
      if (inside) break;
    }
    this.orbit.target.copy(this.middle);
    this.orbit.update();
  }

  #controls() {
    const button = (label, title, key, run, pressed) => element("button", {
      type: "button", textContent: label, title: key ? `${title} (${key})` : title, onclick: run,
      ...(pressed === undefined ? { "aria-label": title } : { "aria-pressed": String(pressed) }),
    });
    const toggle = (name, title, key, pressed, change) => {
      const made = button(name, title, key, () => {
        const now = made.getAttribute("aria-pressed") !== "true";
        made.setAttribute("aria-pressed", String(now));
        change(now);
        this.seek(this.moment);
      }, pressed);
      return made;
    };
    this.stage = element("div", { className: "motion-stage" });
    this.overlay = element("div", { className: "motion-overlay", ariaHidden: "true" });
    this.stage.append(this.overlay);
    this.toggle = button("▶", "Play", "space", () => (this.playing ? this.pause() : this.play()));
    this.scrub = element("input", { type: "range", min: "0", step: "1", value: "0", oninput: () => { this.pause(); this.seek(Number(this.scrub.value)); } });
    this.scrub.setAttribute("aria-label", "Time");
    this.clock = element("output", { className: "motion-clock" });
    this.rate = element("select", { onchange: () => { this.speed = Number(this.rate.value); } },
      ...SPEEDS.map((speed) => element("option", { value: String(speed), textContent: `${speed}×`, selected: speed === 1 })));
    this.rate.setAttribute("aria-label", "Speed");
    const every = (change) => (on) => this.figures.forEach((figure) => change(figure, on));
    const contacts = every((figure, on) => { figure.showContacts = on; });
    this.toggles = {
      l: toggle("loop", "Start again at the end", "L", true, (on) => { this.loop = on; }),
      f: toggle("follow", "The camera follows", "F", false, (on) => { this.follow = on; this.#frameCamera(); }),
      t: toggle("trails", "Paths of the pelvis on the floor", "T", false, every((figure, on) => { figure.trail.visible = on; })),
      c: toggle("contacts", "Feet that stand still are red", "C", this.content.contacts !== false, contacts),
    };
    if (this.content.figures.some((packed) => packed.ghost)) {
      this.toggles.g = toggle("ghost", "The real motion, translucent", "G", this.content.ghosts !== false, (on) => { this.ghosts.group.visible = on; });
    }
    const reset = button("reset", "Put the camera back", "R", () => { this.#frameCamera(); this.#draw(); });
    this.toggles.r = reset;
    const bar = element("div", { className: "motion-bar" }, this.toggle, this.scrub, this.clock, this.rate, ...Object.values(this.toggles));
    this.host.replaceChildren(this.stage, bar);
    this.host.tabIndex = 0;
    this.host.setAttribute("role", "group");
    this.host.setAttribute("aria-label", "Motion player. Space plays, arrows step, L loop, F follow, T trails, C contacts, R camera.");
    this.host.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.target !== this.host || event.ctrlKey || event.metaKey || event.altKey) return; // buttons have keys of their own
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === " ") (this.playing ? this.pause() : this.play());
    else if (event.key in steps) { this.pause(); this.seek(Math.round(this.moment) + steps[event.key]); }
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(this.frames - 1);
    else if (event.key.toLowerCase() in this.toggles) this.toggles[event.key.toLowerCase()].click();
    else return;
    event.preventDefault();
  }

  #theme() {
    const style = getComputedStyle(this.host);
    const color = (name, other) => new Color(style.getPropertyValue(name).trim() || other);
    const lines = this.grid.geometry.getAttribute("color");
    const line = color("--grid", "#c8ced6");
    for (let i = 0; i < lines.count; i++) lines.setXYZ(i, line.r, line.g, line.b);
    lines.needsUpdate = true;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.size = { width, height }; // read once: a reading in each frame would lay the page out anew each time
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.#frameCamera();
    this.#draw();
  }

  play() {
    this.wanted = true;
    if (this.playing) return;
    if (this.moment >= this.frames - 1) this.moment = 0;
    this.playing = true;
    this.#button();
    let last = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      // a tab that was hidden goes on where it stopped
      const passed = Math.min(now - last, 250);
      last = now;
      this.#advance((passed / 1000) * this.speed * this.fps);
      this.#keepUp(passed);
      this.pending = requestAnimationFrame(tick);
    };
    this.pending = requestAnimationFrame(tick);
  }

  pause() {
    this.wanted = false;
    this.#halt();
  }

  /** Fewer pixels for machines that draw slowly, such as those without a graphics processor. */
  #keepUp(milliseconds) {
    this.pace = 0.8 * (this.pace ?? milliseconds) + 0.2 * milliseconds;
    this.since = (this.since ?? 0) + 1;
    if (this.since > 12 && this.pace > SLOW && this.ratio > LEAST_RATIO) {
      this.ratio = Math.max(LEAST_RATIO, this.ratio * 0.75);
      this.renderer.setPixelRatio(this.ratio);
      this.since = 0;
    }
  }

  #halt() {
    this.playing = false;
    cancelAnimationFrame(this.pending);
    this.#button();
  }

  #button() {
    this.toggle.textContent = this.playing ? "❚❚" : "▶";
    this.toggle.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  #advance(frames) {
    const last = this.frames - 1;
    let moment = this.moment + frames;
    if (moment >= last) {
      if (this.loop) moment = last > 0 ? moment % last : 0;
      else { moment = last; this.pause(); }
    }
    this.seek(moment);
  }

  /** Show a moment, in frames. */
  seek(moment) {
    this.moment = Math.max(0, Math.min(moment, this.frames - 1));
    this.solid.show(this.moment);
    if (this.ghosts.group.visible) this.ghosts.show(this.moment);
    const spot = new Matrix4();
    this.solid.figures.forEach((figure, number) => {
      const root = figure.at(Math.round(this.moment), 0);
      this.shadows.setMatrixAt(number, spot.makeTranslation(root[0] + figure.position.x, 0.004, root[2] + figure.position.z));
    });
    this.shadows.instanceMatrix.needsUpdate = true;
    this.scrub.value = String(Math.round(this.moment));
    this.clock.textContent = `${(this.moment / this.fps).toFixed(2)} / ${((this.frames - 1) / this.fps).toFixed(2)} s`;
    if (this.follow) this.#chase();
    this.#draw();
  }

  /** Where all figures are at this moment; the box is as large as it ever gets. */
  #now() {
    const at = (moment) => {
      const roots = this.figures.map((figure) => {
        const root = figure.at(Math.round(moment), 0);
        return [root[0] + figure.position.x, root[2] + figure.position.z];
      });
      const range = (axis) => [Math.min(...roots.map((root) => root[axis])), Math.max(...roots.map((root) => root[axis]))];
      return { x: range(0), z: range(1) };
    };
    if (!this.widest) {
      this.widest = { x: 0, z: 0 };
      for (let moment = 0; moment < this.frames; moment += 4) {
        const box = at(moment);
        for (const axis of ["x", "z"]) this.widest[axis] = Math.max(this.widest[axis], box[axis][1] - box[axis][0]);
      }
    }
    const box = at(this.moment);
    const grown = (range, width) => { const middle = (range[0] + range[1]) / 2; return [middle - width / 2, middle + width / 2]; };
    return { x: grown(box.x, this.widest.x), z: grown(box.z, this.widest.z) };
  }

  #chase() {
    const now = this.#now();
    const middle = new Vector3((now.x[0] + now.x[1]) / 2, 0.85, (now.z[0] + now.z[1]) / 2);
    this.camera.position.add(middle.clone().sub(this.orbit.target));
    this.orbit.target.copy(middle);
    this.orbit.update();
  }

  #draw() {
    this.renderer.render(this.scene, this.camera);
    this.rendered += 1;
    if (!this.size) return;
    const spot = new Vector3();
    const { width, height } = this.size;
    this.figures.forEach((figure, i) => {
      const head = figure.at(Math.round(this.moment), this.content.skeleton.head);
      spot.set(head[0], head[1] + (figure.ghost ? 0.52 : 0.28), head[2]).add(figure.position).project(this.camera);
      const hidden = spot.z > 1 || (figure.ghost && !this.ghosts.group.visible);
      const label = this.labels[i];
      label.hidden = hidden;
      label.style.transform = `translate(-50%, -100%) translate(${((spot.x + 1) / 2) * width}px, ${((1 - spot.y) / 2) * height}px)`;
    });
  }

  dispose() {
    this.#halt();
    this.watching.disconnect();
    this.resizing.disconnect();
    this.scheme.removeEventListener("change", this.restyle);
    document.removeEventListener("themechange", this.restyle);
    for (const part of [...this.figures, this.solid, this.ghosts]) part.dispose();
    this.shadows.geometry.dispose();
    this.shadows.material.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    delete this.host.player;
  }
}

/** Players come to life when they are near the view, and end when they leave it: browsers allow few WebGL contexts. */
function attend(host) {
  const content = JSON.parse(document.getElementById(host.dataset.scene).textContent);
  let kept = null;
  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !host.player) {
      try {
        new Player(host, content);
        if (kept) { host.player.seek(kept.moment); if (!kept.wanted) host.player.pause(); }
      } catch (problem) {
        host.replaceChildren(element("p", { className: "motion-problem", textContent: `The player needs WebGL: ${problem.message}` }));
      }
    } else if (!entry.isIntersecting && host.player) {
      kept = { moment: host.player.moment, wanted: host.player.wanted };
      host.player.dispose();
    }
  }, { rootMargin: "200px" }).observe(host);
}

document.querySelectorAll(".motion-player").forEach(attend);
