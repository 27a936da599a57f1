// What the page does to its document: elements are made with text, never with markup, and changed in place, so that
// neither the focus nor a selection is lost when news come in.

/** Finds an element of index.html. @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no ${id}`);
  return element;
}

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** Sets the text of an element where it is another. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of an element those of a list: what has a key already is changed in place and moved.
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} create
 * @param {(element: HTMLElement, item: Item) => void} update
 */
export function reconcile(parent, items, keyOf, create, update) {
  /** @type {Map<string, HTMLElement>} */
  const before = new Map();
  for (const child of parent.children) {
    if (child instanceof HTMLElement && child.dataset.key !== undefined) before.set(child.dataset.key, child);
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const known = before.get(key);
    const element = known ?? create(item);
    before.delete(key);
    element.dataset.key = key;
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  while (place !== null) {
    const rest = place;
    place = place.nextElementSibling;
    rest.remove();
  }
}

/**
 * Shows rows of text in the body of a table, or one row that says that there are none.
 * @template Item
 * @param {Element} body
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {readonly (readonly [className: string, (item: Item) => string])[]} columns
 * @param {string} nothing
 */
export function showRows(body, items, keyOf, columns, nothing) {
  if (items.length === 0) {
    const cell = make('td', 'empty', nothing);
    cell.colSpan = columns.length;
    body.replaceChildren(make('tr', '', cell));
    return;
  }
  const create = () => make('tr', '', ...columns.map(([className]) => make('td', className)));
  reconcile(body, items, keyOf, create, (row, item) => {
    for (const [index, [className, textOf]] of columns.entries()) {
      const cell = /** @type {HTMLElement} */ (row.children[index]);
      const text = textOf(item);
      setText(cell, text);
      if (className === 'cut' && cell.title !== text) cell.title = text;
    }
  });
}
