// How things are said.

// duration says a time in ms.
export function duration(ms) {
  if (ms < 0.1) return "< 1 ms";
  if (ms < 100) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ms) {
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export const count = (n) => n.toLocaleString("en-US");

export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

// items lists what an order wants.
export function items(order) {
  const shown = order.items.slice(0, 4).map((i) => `${count(i.quantity)} × ${i.id}`);
  const more = order.items.length - shown.length;
  return shown.join(", ") + (more > 0 ? `, ${more} more` : "");
}

// statusOf is the word for where an order stands.
export function statusOf(order) {
  switch (order.status) {
    case "accepted": return order.lanes.length ? "racing" : "waiting";
    case "settled":
    case "rejected":
    case "dead": return order.status;
    default: return "no record";
  }
}

const outcomes = {
  settled: ["won", "took the lock and ended the order"],
  busy: ["busy", "found the lock taken"],
  already: ["already", "came when it was over"],
  lost: ["lost", "its lease ended before it was done"],
  failed: ["failed", "gave up; it will be delivered again"],
  refused: ["refused", "there is no record of this order"],
};

// outcomeOf gives the kind of an outcome, the word for it and what it means.
export function outcomeOf(lane) {
  const known = Object.hasOwn(outcomes, lane.outcome);
  let [word, meaning] = known ? outcomes[lane.outcome] : [lane.outcome, lane.reason ?? ""];
  if (lane.outcome === "settled" && lane.status === "rejected") meaning = "took the lock and rejected the order";
  if (lane.outcome === "failed") meaning = lane.reason || meaning;
  return { kind: known ? lane.outcome : "other", word, meaning };
}

export const number = (lane) => `No. ${lane.bib}`;

// winnerOf finds the lane that ended the order, if its contender said so.
export function winnerOf(order) {
  return order.lanes.find((l) => l.outcome === "settled" && (!order.winner || l.contender === order.winner))
    ?? order.lanes.find((l) => l.outcome === "settled");
}

// story tells a race in a sentence or two.
export function story(order) {
  const racers = order.lanes.length + (order.more ?? 0);
  const winner = winnerOf(order);
  const others = racers - 1;
  const rest = others > 0 ? ` ${plural(others, "other")} stood back.` : "";
  switch (statusOf(order)) {
    case "waiting": return "Placed, and waiting for a bridge to hand it out.";
    case "racing": return `${plural(racers, "report")} so far, and nobody has ended it yet.`;
    case "settled":
      if (!winner) return "Settled. Its race was run before this page looked.";
      return `${number(winner)} won and took the items, once.${rest}`;
    case "rejected": {
      const s = order.shortage;
      const why = s ? `: ${count(s.wanted)} of ${s.id} wanted, ${count(s.onHand)} on hand` : "";
      return `${winner ? number(winner) + " won and r" : "R"}ejected it for too little stock${why}.${rest}`;
    }
    case "dead": return `Nobody could end it${order.reason ? `: ${order.reason}` : ""}. It is kept as a dead letter.`;
    default: return "There is no record of this order: it was never placed, or its record has expired. Nobody may process it.";
  }
}
