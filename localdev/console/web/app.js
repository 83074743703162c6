// The page: it listens to the server's events and shows what they say.
import { el, hint, keyed, say } from "./dom.js";
import { showLetters } from "./letters.js";
import { takeLines } from "./logs.js";
import { showOrders } from "./orders.js";
import { offer, report } from "./place.js";
import { showProcesses } from "./processes.js";
import { showStock } from "./stock.js";
import { count, plural } from "./words.js";

const lost = document.getElementById("lost");
const facts = document.getElementById("facts");
const curl = document.getElementById("curl");
const copy = document.getElementById("copy");

function show(state) {
  const sum = (name) => state.warehouses.reduce((n, w) => n + w[name], 0);
  for (const name of ["accepted", "settled", "rejected", "dead"]) {
    const node = document.getElementById(name);
    say(node, count(sum(name)));
    node.parentElement.classList.toggle("some", sum(name) > 0);
  }
  keyed(facts, state.info, (f) => f.name, (f) => el("div", "", [el("dt", "", f.name), el("dd")]), (node, f) => {
    say(node.lastChild, f.value);
    hint(node.lastChild, f.value);
  });
  say(curl, `curl -X POST ${state.api || "URL"}/orders -H 'content-type: application/json' -d '{"orderId":"29","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}'`);
  offer(state);
  showOrders(state.orders);
  showStock(state);
  showProcesses(state);
  showLetters(state.letters);
  warn(state);
}

let warned = "";

// warn says what keeps orders from being processed, once, where the answers to
// what was asked for are.
function warn(state) {
  const stranded = state.warehouses.filter((w) => w.accepted > 0 && !w.attended).reduce((n, w) => n + w.accepted, 0);
  let text = "";
  if (state.problem) text = `Redis does not answer; what is shown of it is from before. ${state.problem}`;
  else if (stranded) text = `${plural(stranded, "order waits", "orders wait")} and no bridge is at work. Nothing is lost: start one under Processes.`;
  if (text !== warned && (text || document.getElementById("said").textContent === warned)) report(text, state.problem ? "bad" : text && "warn");
  warned = text;
}

copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(curl.textContent);
    copy.textContent = "Copied";
  } catch { // not allowed: select it, to be copied by hand
    getSelection().selectAllChildren(curl);
    copy.textContent = "Selected";
  }
  setTimeout(() => { copy.textContent = "Copy"; }, 1500);
});

const patience = 700; // ms without a connection before the page says so
let grace = 0;

function connect() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => {
    clearTimeout(grace);
    grace = 0;
    lost.hidden = true;
  });
  events.addEventListener("error", () => {
    grace ||= setTimeout(() => { lost.hidden = false; }, patience);
    events.close(); // by itself it would give up when the answer is an error
    setTimeout(connect, 1000);
  });
  events.addEventListener("state", (e) => show(JSON.parse(e.data)));
  events.addEventListener("log", (e) => takeLines(JSON.parse(e.data)));
}

connect();
