// The list of orders, and the choice of the one that is drawn in large.
import { el, hint, keyed, say } from "./dom.js";
import { draw, pill, setPill, strip } from "./race.js";
import { clock, duration, items, number, statusOf, winnerOf } from "./words.js";

const dwell = 1500; // ms that an order is shown at least while the latest is followed

const finish = document.getElementById("finish");
const follow = document.getElementById("follow");
const rows = document.getElementById("rows");
const none = document.getElementById("no-orders");
const note = document.getElementById("orders-note");

const keyOf = (order) => JSON.stringify([order.warehouse, order.id]);

let orders = [];
let pinned = null; // key of the order that was chosen, null to follow the latest
let shown = null; // key of the order in large
let since = 0; // when that was put there
let timer = 0;

export function showOrders(list) {
  orders = list;
  none.hidden = orders.length > 0;
  rows.hidden = orders.length === 0;
  say(note, orders.length >= 50 ? "the last 50" : "");
  render();
}

follow.addEventListener("click", () => {
  pinned = pinned === null ? shown : null;
  since = 0;
  render();
});

function choose() {
  const find = (key) => orders.find((o) => keyOf(o) === key);
  if (pinned !== null && find(pinned)) return find(pinned);
  pinned = null;
  const current = find(shown);
  const next = orders.find((o) => o.lanes.length > 0) ?? orders[0];
  clearTimeout(timer);
  if (!current || !next || keyOf(next) === shown) return next;
  const left = since + dwell - Date.now();
  if (left <= 0 || !current.lanes.length) return next;
  timer = setTimeout(render, left);
  return current;
}

function render() {
  const order = choose();
  const key = order ? keyOf(order) : null;
  if (key !== shown) {
    shown = key;
    since = Date.now();
  }
  draw(finish, order);
  follow.setAttribute("aria-pressed", String(pinned === null));
  say(follow, pinned === null ? "Following the latest" : "Pinned – follow the latest");
  keyed(rows, orders, keyOf, makeRow, setRow);
}

function makeRow(order) {
  const button = el("button", "row");
  button.type = "button";
  const race = el("span", "strip");
  race.setAttribute("aria-hidden", "true");
  const node = el("li", "", [button]);
  const p = { at: el("span", "at"), id: el("span", "id"), items: el("span", "items"), race, pill: pill(), winner: el("span", "winner"), took: el("span", "took") };
  button.append(p.at, p.id, p.items, p.race, p.pill, p.winner, p.took);
  const key = keyOf(order);
  button.addEventListener("click", () => {
    pinned = key;
    render();
    const top = finish.getBoundingClientRect().top;
    if (top < 0) finish.parentElement.scrollIntoView({ block: "start" });
  });
  node.parts = p;
  node.button = button;
  return node;
}

function setRow(node, order) {
  const p = node.parts;
  say(p.at, clock(order.at));
  say(p.id, order.id);
  hint(p.id, order.id);
  say(p.items, items(order));
  hint(p.items, items(order));
  setPill(p.pill, order);
  strip(p.race, order);
  const winner = winnerOf(order);
  say(p.winner, winner ? number(winner) : "");
  hint(p.winner, winner ? `won by ${winner.contender}` : "");
  say(p.took, order.took === undefined ? "" : duration(order.took));
  const current = keyOf(order) === shown;
  node.button.setAttribute("aria-pressed", String(current));
  node.button.setAttribute("aria-label",
    `Order ${order.id}, ${statusOf(order)}${winner ? `, won by ${number(winner)}` : ""}. Show its race`);
}
