// The race for one order, drawn like a photo finish: time runs to the right, and
// the line is where the order ended.
import { el, hint, keyed, say } from "./dom.js";
import { clock, duration, items, number, outcomeOf, plural, statusOf, story, winnerOf } from "./words.js";

const line = 72; // where the finish line is, in % of the track
const guides = 4; // lanes drawn at least

// place is how far a lane's runner has come, in % of the track. Distances shrink
// with time, so that milliseconds and seconds fit on one track.
export function place(order, lane) {
  const winner = winnerOf(order);
  const end = winner ? winner.offset : Math.max(...order.lanes.map((l) => l.offset)) * 1.5;
  if (lane === winner) return line;
  const early = Math.min(Math.max(Math.sqrt(Math.max(lane.offset, 0) / Math.max(end, 0.001)) * line, 6), line - 8);
  const late = lane.offset > end && lane.outcome !== "busy";
  if (!winner || !late) return early;
  const after = lane.offset - end;
  return line + 7 + 16 * (after / (after + end + 1));
}

// pill is a status as a coloured word.
export const pill = () => el("span", "pill");

export function setPill(node, order) {
  const word = statusOf(order);
  node.dataset.status = word;
  say(node, word);
}

// draw shows an order in a parent that is its own.
export function draw(parent, order) {
  const parts = parent.parts ?? (parent.parts = frame(parent));
  parent.classList.toggle("blank", !order);
  say(parts.id, order ? order.id : "Nothing has raced yet");
  hint(parts.id, order?.id);
  parts.pill.hidden = !order;
  say(parts.story, order ? story(order) : "Place an order. Each contender that is handed it gets a lane here; the one that crosses the line has ended the order.");
  hint(parts.story, order && story(order));
  say(parts.facts, order ? facts(order) : "Every order gets a photo finish of its own.");
  hint(parts.facts, order?.winner);
  const lanes = order ? order.lanes : [];
  if (order) setPill(parts.pill, order);
  const list = [...lanes];
  while (list.length < guides) list.push({ contender: `\n${list.length}` }); // no contender is named so
  keyed(parts.lanes, list, (l) => l.contender, makeLane, (node, l) => setLane(node, order, l));
  const missing = order?.more ? `and ${plural(order.more, "contender")} more` : "";
  say(parts.more, missing || (lanes.length ? `Time runs from left to right, not to scale; times are from ${order.fromFirst ? "the first report" : "the placing of the order"}.` : ""));
}

function frame(parent) {
  const parts = {
    id: el("h3", "id"), pill: pill(), story: el("p", "story"), facts: el("p", "note facts-line"),
    lanes: el("ol", "lanes"), more: el("p", "note more"),
  };
  parts.lanes.tabIndex = 0;
  parts.lanes.setAttribute("aria-label", "Contenders, in order of arrival");
  parent.append(el("div", "headline", [parts.id, parts.pill]), parts.facts, parts.story, parts.lanes, parts.more);
  return parts;
}

function facts(order) {
  const said = [items(order), `placed ${clock(order.at)}`];
  if (order.took !== undefined) said.push(`ended after ${duration(order.took)}`);
  if (order.deliveries) said.push(plural(order.deliveries, "delivery", "deliveries"));
  if (order.fence) said.push(`fence ${order.fence}`);
  said.push(`warehouse ${order.warehouse}`);
  return said.filter(Boolean).join("  ·  ");
}

function makeLane() {
  const node = el("li", "lane");
  const runner = el("span", "runner");
  runner.setAttribute("aria-hidden", "true");
  node.parts = { name: el("b"), env: el("span", "env"), trail: el("span", "trail"), runner, word: el("b"), meaning: el("span"), time: el("span", "time") };
  const p = node.parts;
  node.append(el("span", "who", [p.name, p.env]), el("span", "track", [p.trail, p.runner]), el("span", "what", [p.word, p.meaning]), p.time);
  return node;
}

function setLane(node, order, lane) {
  const p = node.parts;
  const empty = lane.outcome === undefined;
  node.classList.toggle("guide", empty);
  if (empty) {
    node.setAttribute("aria-hidden", "true");
    return;
  }
  const outcome = outcomeOf(lane);
  node.dataset.outcome = outcome.kind;
  node.dataset.status = lane.status === "rejected" ? "rejected" : "";
  say(p.name, number(lane));
  say(p.env, lane.environment);
  hint(p.env, `environment ${lane.environment}, contender ${lane.contender}`);
  const x = `${place(order, lane)}%`;
  p.trail.style.width = x;
  p.runner.style.left = x;
  say(p.runner, String(lane.bib));
  say(p.word, outcome.word);
  say(p.meaning, outcome.meaning);
  hint(p.meaning, lane.reason || outcome.meaning);
  say(p.time, `+${duration(lane.offset)}`);
}

// strip is a race in small, for a list.
export function strip(node, order) {
  keyed(node, order.lanes.slice(0, 6), (l) => l.contender, () => el("i"), (bar, lane) => {
    bar.dataset.outcome = outcomeOf(lane).kind;
    bar.dataset.status = lane.status === "rejected" ? "rejected" : "";
    bar.style.width = `${place(order, lane)}%`;
  });
}
