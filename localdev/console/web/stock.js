// What is on hand, and goods in.
import { el, hint, keyed, say } from "./dom.js";
import { receive } from "./place.js";
import { count } from "./words.js";

const parent = document.getElementById("stock");
const batch = 100;

export function showStock(state) {
  const several = state.warehouses.length > 1;
  keyed(parent, state.warehouses, (w) => w.name, makeHouse, (node, w) => setHouse(node, w, several, state.api));
}

function makeHouse(warehouse) {
  const put = el("button", "", `Put ${batch} of 001 and 002 in`);
  put.type = "button";
  put.addEventListener("click", () => receive(warehouse.name, ["001", "002"], batch));
  const p = {
    name: el("h3"), totals: el("p", "note"), levels: el("ul", "levels"), more: el("p", "note"),
    problem: el("p", "trouble"), put, empty: el("div", "empty", [el("p", "", "Nothing was ever received here, so orders will be rejected."), put]),
  };
  p.levels.setAttribute("aria-label", `Stock of ${warehouse.name}`);
  const node = el("div", "house", [p.name, p.totals, p.problem, p.levels, p.more, p.empty]);
  node.parts = p;
  return node;
}

function setHouse(node, w, several, api) {
  const p = node.parts;
  p.name.hidden = p.totals.hidden = !several;
  say(p.name, w.name);
  say(p.totals, `${count(w.accepted)} waiting · ${count(w.settled)} settled · ${count(w.rejected)} rejected · ${count(w.dead)} dead`);
  p.problem.hidden = !w.problem;
  say(p.problem, w.problem ?? "");
  p.empty.hidden = w.levels.length > 0;
  p.put.hidden = !api;
  p.levels.hidden = w.levels.length === 0;
  const more = w.skus - w.levels.length;
  p.more.hidden = more <= 0 || w.levels.length === 0;
  say(p.more, `and ${count(more)} more`);
  keyed(p.levels, w.levels, (l) => l.sku, (l) => makeLevel(w, l), (row, l) => setLevel(row, l, w.peak, api));
}

function makeLevel(w, level) {
  const add = el("button", "quiet add", `+${batch}`);
  add.type = "button";
  add.setAttribute("aria-label", `Receive ${batch} of ${level.sku}`);
  add.addEventListener("click", () => receive(w.name, [level.sku], batch));
  const bar = el("span", "bar-of", [el("i")]);
  bar.setAttribute("aria-hidden", "true");
  const node = el("li", "level", [el("span", "sku", level.sku), bar, el("span", "units"), add]);
  hint(node.firstChild, level.sku);
  return node;
}

function setLevel(node, level, peak, api) {
  const [, bar, units, add] = node.children;
  const part = peak > 0 ? Math.max(0, Math.min(1, level.onHand / peak)) : 0;
  bar.firstChild.style.width = `${part * 100}%`;
  node.classList.toggle("low", part < 0.1);
  say(units, count(level.onHand));
  add.hidden = !api;
}
