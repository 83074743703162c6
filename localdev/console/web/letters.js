// The dead letters.
import { el, hint, keyed, say } from "./dom.js";
import { clock } from "./words.js";

const parent = document.getElementById("letters");
const none = document.getElementById("no-letters");

export function showLetters(letters) {
  none.hidden = letters.length > 0;
  parent.hidden = letters.length === 0;
  keyed(parent, letters, (l) => JSON.stringify([l.warehouse, l.id, l.at]), make, () => {});
}

function make(letter) {
  const id = el("b", "id");
  say(id, letter.id);
  hint(id, letter.id);
  return el("li", "letter", [el("div", "", [id, el("span", "note", clock(letter.at))]), el("p", "", letter.reason)]);
}
