// What runs: services, with the means to scale them, and execution environments.
import { el, hint, keyed, say } from "./dom.js";
import { report } from "./place.js";
import { count, plural } from "./words.js";

const services = document.getElementById("services");
const environments = document.getElementById("environments");
const most = 20; // processes of a service

export function showProcesses(state) {
  keyed(services, state.services, (s) => s.name, makeService, (node, s) => setService(node, s, state.scalable));
  const groups = new Map();
  for (const e of state.environments) {
    if (!groups.has(e.function)) groups.set(e.function, []);
    groups.get(e.function).push(e);
  }
  const list = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  if (list.length === 0) list.push(["", []]);
  keyed(environments, list, ([name]) => name, makeGroup, setGroup);
}

function makeService(service) {
  const step = (text, by, label) => {
    const b = el("button", "step", text);
    b.type = "button";
    b.setAttribute("aria-label", `${label} ${service.name}`);
    b.addEventListener("click", () => scale(service.name, Number(node.dataset.wanted) + by));
    return b;
  };
  const p = {
    fewer: step("−", -1, "One process fewer of"), more: step("+", 1, "One process more of"),
    running: el("output"), pids: el("span", "note"),
  };
  const steps = el("span", "steps", [p.fewer, p.running, p.more]);
  const node = el("div", "service", [el("span", "name", [el("b", "", service.name), p.pids]), steps]);
  hint(node.firstChild, service.name);
  node.parts = p;
  return node;
}

function setService(node, s, scalable) {
  const p = node.parts;
  node.dataset.wanted = s.wanted;
  node.classList.toggle("off", s.running === 0);
  say(p.running, s.running === s.wanted ? count(s.running) : `${count(s.running)} of ${count(s.wanted)}`);
  p.fewer.hidden = p.more.hidden = !scalable;
  p.fewer.disabled = s.wanted <= 0;
  p.more.disabled = s.wanted >= most;
  const said = [s.pids.length ? `pid ${s.pids.join(", ")}` : "not running"];
  if (s.restarts) said.push(plural(s.restarts, "restart"));
  say(p.pids, said.join(" · "));
  hint(p.pids, said.join(" · "));
}

async function scale(name, n) {
  try {
    const answer = await fetch(`/api/services/${encodeURIComponent(name)}/scale`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ count: n }),
    });
    if (answer.ok) report(`${name}: ${plural(n, "process", "processes")} wanted.`);
    else report((await answer.json()).detail, "bad");
  } catch {
    report(`${name} could not be scaled: the emulator does not answer.`, "bad");
  }
}

function makeGroup([name]) {
  if (name === "") return el("p", "empty", "No function has been invoked yet. Each gets its process with its first invocation.");
  return el("div", "group", [el("h3", "", [el("span", "name", name), el("span", "note")]), el("ul")]);
}

function setGroup(node, [name, list]) {
  if (name === "") return;
  const [title, items] = node.children;
  say(title.lastChild, plural(list.length, "environment"));
  keyed(items, list, (e) => e.id, makeEnvironment, setEnvironment);
}

function makeEnvironment(e) {
  const node = el("li", "environment", [el("span", "bib"), el("span", "env", e.id), el("span", "state"), el("span", "note")]);
  hint(node.children[1], e.id);
  return node;
}

function setEnvironment(node, e) {
  const [bib, , state, note] = node.children;
  say(bib, e.bib ? String(e.bib) : "");
  hint(bib, e.bib ? `No. ${e.bib} in every race` : "");
  node.dataset.state = ["starting", "idle", "busy", "stopping"].includes(e.state) ? e.state : "other";
  say(state, e.state);
  const said = `${count(e.invocations)}× · ${e.pid ? `pid ${e.pid}` : "no process"}`;
  say(note, said);
  hint(note, `${plural(e.invocations, "invocation")}, ${e.pid ? `process ${e.pid}` : "its process does not run yet"}`);
}
