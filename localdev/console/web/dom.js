// Elements are made here and nowhere else, from text and never from markup: what
// is shown comes from outside.

// el makes an element: el("p", "note", "text") or el("p", "note", [child, …]).
export function el(tag, className = "", content = []) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (typeof content === "string") node.textContent = content;
  else node.append(...content);
  return node;
}

// say sets a text only where it differs, so that selections stay.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// hint sets a tooltip, or takes it away.
export function hint(node, text) {
  if (text) node.title = text;
  else node.removeAttribute("title");
}

// keyed makes the children of a parent those of a list, in its order. A child
// stays the same element while its key is in the list, so it keeps its focus.
export function keyed(parent, list, keyOf, make, update) {
  const wanted = new Set(list.map(keyOf));
  const have = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) have.set(child.dataset.key, child);
    else child.remove();
  }
  list.forEach((item, i) => {
    const key = keyOf(item);
    let child = have.get(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
      have.set(key, child);
    }
    update(child, item, i);
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}
