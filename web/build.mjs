// Bundles what the HTML pages of leadbench need into ../leadbench/report/web; nothing is loaded from a network at run time.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const out = new URL("../leadbench/report/web/", import.meta.url).pathname;
await build({
  entryPoints: { player: "src/player.js", report: "src/report.js" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  legalComments: "none", // all licences stand in one file, below
  charset: "utf8",
});

const packages = Object.keys(JSON.parse(readFileSync("package-lock.json", "utf8")).packages)
  .filter((path) => /^node_modules\/(three|vega|d3|topojson|internmap|delaunator|robust-predicates|json-stringify|fast-deep|fast-json)/.test(path));
const licences = packages.map((path) => {
  const about = JSON.parse(readFileSync(`${path}/package.json`, "utf8"));
  let text = "";
  for (const name of ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"]) {
    try { text = readFileSync(`${path}/${name}`, "utf8"); break; } catch { /* the next name */ }
  }
  return `${about.name} ${about.version} (${about.license})\n\n${text.trim()}\n`;
});
writeFileSync(`${out}LICENSES.txt`, licences.join(`\n${"-".repeat(80)}\n\n`));

// what the bundles were made of, so that a test sees sources that were changed and not bundled
const sources = ["build.mjs", "package-lock.json", ...readdirSync("src").sort().map((name) => `src/${name}`)];
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(name)).update("\0");
writeFileSync(`${out}sources.sha256`, `${digest.digest("hex")}\n`);
