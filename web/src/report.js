// What a report does: the theme, tables that sort and copy, plots that are drawn when they come into view.
import { parse, View } from "vega";
import { compile } from "vega-lite";

const root = document.documentElement;
const said = document.getElementById("said");

/** A specification is ours, and what Vega-Lite makes of it was looked at: it need not comment. */
const SILENT = { level() { return this; }, error: console.error, warn() { return this; }, info() { return this; }, debug() { return this; } };

function theme() {
  const button = document.getElementById("theme");
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `${dark() ? "Light" : "Dark"} colours`); };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    label();
    document.dispatchEvent(new Event("themechange"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { label(); document.dispatchEvent(new Event("themechange")); });
}

/** A click on a column's title sorts by it: numbers by value, texts by letters; what is missing comes last. */
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const key = (row) => { const cell = row.cells[index]; return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value); };
      const missing = (value) => value === "—" || value === "";
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y));
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
        return ascending ? order : -order;
      });
      body.replaceChildren(...rows);
    });
  });
}

function copies(button) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // pages from disk may not have a clipboard
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    said.textContent = "Copied.";
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  });
}

function config() {
  const style = getComputedStyle(root);
  const value = (name) => style.getPropertyValue(name).trim();
  const text = value("--text"), faint = value("--faint"), line = value("--line");
  return {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { labelColor: text, titleColor: faint, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 400 },
    legend: { labelColor: text, titleColor: faint, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 400 },
    rule: { color: faint },
    range: { category: matchMedia("(prefers-color-scheme: dark)").matches && root.dataset.theme !== "light" || root.dataset.theme === "dark"
      ? ["#79b8ff", "#ffab70", "#56d6a0", "#d2a8ff", "#ff9492", "#76e3ea", "#f692ce", "#c8e35a"]
      : ["#0a58ca", "#b35900", "#0b7a55", "#7a3fc7", "#b3203a", "#0f766e", "#a6246e", "#5b6b00"] },
  };
}

async function draw(host) {
  const spec = JSON.parse(document.getElementById(host.dataset.spec).textContent);
  const sized = { width: "container", height: 220, autosize: { type: "fit-x", contains: "padding" }, ...spec, config: config() };
  host.view?.finalize();
  const view = new View(parse(compile(sized, { logger: SILENT }).spec), { renderer: "svg", container: host, hover: true });
  host.view = view;
  await view.runAsync();
  // one picture with one description: its parts are not read one by one
  host.querySelectorAll("svg, svg *").forEach((part) => { part.removeAttribute("role"); part.removeAttribute("aria-roledescription"); part.removeAttribute("aria-label"); });
  host.querySelector("svg")?.setAttribute("aria-hidden", "true");
  host.dataset.drawn = "yes";
}

theme();
document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll("button.copy").forEach(copies);
const charts = [...document.querySelectorAll(".chart")];
const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
}), { rootMargin: "400px" });
charts.forEach((chart) => near.observe(chart));
addEventListener("beforeprint", () => charts.filter((chart) => !chart.dataset.drawn).forEach(draw)); // on paper all are in view
const again = () => charts.filter((chart) => chart.dataset.drawn).forEach(draw);
document.addEventListener("themechange", again);
