// The log lines: the last 500, filtered, one element each.
import { el, hint } from "./dom.js";
import { setOptions } from "./place.js";
import { clock } from "./words.js";

const most = 500;
const every = 200; // ms between two renderings

const log = document.getElementById("log");
const none = document.getElementById("no-log");
const source = document.getElementById("log-source");
const text = document.getElementById("log-text");
const platform = document.getElementById("log-platform");
const pause = document.getElementById("log-pause");

let kept = []; // {line, node}
let waiting = []; // lines that came and are not shown
let paused = false;
let timer = 0;

// takeLines gets the data of a log event.
export function takeLines({ replace, missed, lines }) {
  if (replace) waiting = [{ clear: true }];
  if (missed) waiting.push({ note: `${missed} lines were left out: they came faster than a page can show.` });
  waiting.push(...lines);
  if (waiting.length > 2 * most) waiting = [...waiting.filter((w) => w.clear), ...waiting.slice(-most)];
  if (paused) label();
  else timer ||= setTimeout(render, every);
}

function render() {
  timer = 0;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const fresh = waiting;
  waiting = [];
  if (fresh.some((w) => w.clear)) {
    kept = [];
    log.replaceChildren();
  }
  const nodes = [];
  for (const line of fresh) {
    if (line.clear) continue;
    const entry = { line, node: line.note ? el("p", "entry gap", line.note) : make(line) };
    entry.node.hidden = !wanted(entry);
    kept.push(entry);
    nodes.push(entry.node);
  }
  log.append(...nodes);
  for (const old of kept.splice(0, Math.max(0, kept.length - most))) old.node.remove();
  setOptions(source, [...new Set(kept.map((k) => k.line.source).filter(Boolean))].sort(), "all");
  finish();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function wanted({ line, node }) {
  if (line.note) return true;
  return (platform.checked || !line.platform)
    && (!source.value || line.source === source.value)
    && (!text.value || node.textContent.toLowerCase().includes(text.value.toLowerCase()));
}

function finish() {
  const some = kept.some((k) => !k.node.hidden);
  none.hidden = some;
  none.textContent = kept.length ? "No line fits the filter." : "No lines yet. What the functions and services write appears here.";
}

function filter() {
  for (const entry of kept) entry.node.hidden = !wanted(entry);
  finish();
  log.scrollTop = log.scrollHeight;
}
for (const input of [source, platform]) input.addEventListener("change", filter);
text.addEventListener("input", filter);

pause.addEventListener("click", () => {
  paused = !paused;
  label();
  if (!paused) render();
});

function label() {
  pause.setAttribute("aria-pressed", String(paused));
  const n = waiting.filter((w) => w.text !== undefined).length;
  pause.textContent = paused ? `Go on${n ? ` (${n > most ? `${most}+` : n})` : ""}` : "Pause";
}

// parse reads a line as JSON; null if it is none.
function parse(line) {
  if (!line.text.startsWith("{")) return null;
  try {
    const v = JSON.parse(line.text);
    return v && typeof v === "object" && !Array.isArray(v) ? v : null;
  } catch {
    return null;
  }
}

function make(line) {
  const node = el("p", "entry");
  const from = el("span", "from", line.source || "platform");
  hint(from, line.environment ? `${line.source}, ${line.environment}` : line.source);
  const body = el("span", "body");
  const fields = line.platform ? null : parse(line);
  if (line.platform) node.classList.add("platform");
  if (fields) {
    const { time, level, msg, ...rest } = fields;
    if (level === "WARN" || level === "ERROR") {
      node.dataset.level = level;
      body.append(el("b", "level-word", level), " ");
    }
    body.append(el("span", "msg", typeof msg === "string" ? msg : ""));
    for (const [name, value] of Object.entries(rest)) {
      if (name === "function" || name === "requestId") continue; // the line's source, and of no use here
      body.append(" ", el("span", "field", [el("span", "name", `${name}=`), typeof value === "string" ? value : JSON.stringify(value)]));
    }
    hint(node, line.text.length < 2000 ? line.text : "");
  } else {
    body.append(el("span", "msg", line.text));
    if (line.stream === "stderr") node.dataset.level = "WARN";
  }
  node.append(el("time", "", clock(line.time)), from, body);
  return node;
}
