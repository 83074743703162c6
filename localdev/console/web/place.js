// Placing orders, and goods in: through this page's own server, which passes
// both on to the HTTP API.
const said = document.getElementById("said");
const form = document.getElementById("form");
const own = document.getElementById("own");
const buttons = ["one", "ten", "same"].map((id) => document.getElementById(id));

const article = [{ id: "001", quantity: 2 }, { id: "002", quantity: 1 }];

const fresh = () => "demo-" + crypto.randomUUID().slice(0, 8);

// report tells what came of the last thing that was asked for; the tone is "warn"
// or "bad" where it is no good news.
export function report(text, tone = "") {
  said.textContent = text;
  said.dataset.tone = tone;
}

// post sends JSON to the API. It tells whether that was done, had been done
// before, or what is wrong.
async function post(path, body) {
  try {
    const answer = await fetch("/try" + path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    if (answer.ok) return { replayed: answer.headers.get("Idempotent-Replayed") === "true" };
    const text = await answer.text();
    try {
      const problem = JSON.parse(text);
      return { wrong: String(problem.detail ?? problem.message ?? `the API answered ${answer.status}`) };
    } catch {
      return { wrong: `the API answered ${answer.status}` };
    }
  } catch {
    return { wrong: "the emulator does not answer" };
  }
}

async function placeAll(orders) {
  const answers = await Promise.all(orders.map((o) => post("/orders", o)));
  return {
    placed: answers.filter((a) => a.replayed === false).length,
    replayed: answers.filter((a) => a.replayed === true).length,
    wrong: answers.find((a) => a.wrong)?.wrong,
    failed: answers.filter((a) => a.wrong).length,
  };
}

async function one(order) {
  const r = await placeAll([order]);
  if (r.wrong) report(`Not placed: ${r.wrong}`, "bad");
  else if (r.replayed) report(`${order.orderId} was placed before; the answer is the same again, and nothing else happens.`);
  else report(`Placed ${order.orderId}.`);
}

buttons[0].addEventListener("click", () => one({ orderId: fresh(), items: article }));

buttons[1].addEventListener("click", async () => {
  const r = await placeAll(Array.from({ length: 10 }, () => ({ orderId: fresh(), items: article })));
  report(r.wrong ? `${r.placed} placed, ${r.failed} not: ${r.wrong}` : `${r.placed} orders placed.`, r.wrong ? "bad" : "");
});

buttons[2].addEventListener("click", async () => {
  const order = { orderId: fresh(), items: article };
  const r = await placeAll(Array.from({ length: 10 }, () => order));
  const failed = r.wrong ? ` ${r.failed} failed: ${r.wrong}` : "";
  report(`10 requests for ${order.orderId}: ${r.placed} placed it, ${r.replayed} got the same answer again.${failed}`, r.wrong ? "bad" : "");
});

own.addEventListener("click", () => {
  form.hidden = !form.hidden;
  own.setAttribute("aria-expanded", String(!form.hidden));
  if (!form.hidden) form.elements.sku.focus();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const f = form.elements;
  const order = { orderId: f.id.value.trim() || fresh(), items: [{ id: f.sku.value.trim(), quantity: Number(f.quantity.value) }] };
  if (f.warehouse.value) order.warehouse = f.warehouse.value;
  one(order);
});

// receive takes goods in.
export async function receive(warehouse, skus, quantity) {
  const query = "?warehouse=" + encodeURIComponent(warehouse);
  const answers = await Promise.all(skus.map((sku) => post(
    `/inventory/${encodeURIComponent(sku)}/receipts${query}`, { receiptId: fresh(), quantity })));
  const wrong = answers.find((a) => a.wrong)?.wrong;
  report(wrong ? `Not received: ${wrong}` : `Received ${quantity} of ${skus.join(" and ")}.`, wrong ? "bad" : "");
}

// offer sets up what the form can choose from.
export function offer(state) {
  for (const b of [...buttons, own]) b.disabled = !state.api;
  const names = state.warehouses.map((w) => w.name);
  const select = form.elements.warehouse;
  document.getElementById("where").hidden = names.length < 2;
  setOptions(select, names);
  setOptions(document.getElementById("skus"), [...new Set(state.warehouses.flatMap((w) => w.levels.map((l) => l.sku)))]);
}

// setOptions makes the options of a select or a datalist those given, if they
// are not.
export function setOptions(parent, values, all) {
  const list = all === undefined ? values : ["", ...values];
  if (parent.options.length === list.length && list.every((v, i) => parent.options[i].value === v)) return;
  const chosen = parent.value;
  parent.replaceChildren(...list.map((v) => new Option(v || all, v)));
  if (chosen !== undefined && list.includes(chosen)) parent.value = chosen;
}
