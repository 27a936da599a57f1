// How the page changes its document: it creates elements from text, never from markup, and updates them in place, so
// that an update loses neither the focus nor a selection.
import { shortSerials } from './format.js';

/** Finds an element of the page. @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element with id ${id}`);
  return element;
}

/**
 * Creates an element.
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

/** Sets the text of an element if it differs. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of an element match a list: updates and moves children whose key is known, adds and removes
 * others.
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
 * Shows rows of text in the body of a table, or a single row with `nothing`.
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
  // On a narrow screen each cell stands on a line of its own, beside the head of its column.
  const heads = [...(body.closest('table')?.querySelectorAll('th') ?? [])].map(
    (head) => head.textContent ?? '',
  );
  const create = () =>
    make(
      'tr',
      '',
      ...columns.map(([className], index) => {
        const cell = make('td', className);
        cell.dataset.label = heads[index] ?? '';
        return cell;
      }),
    );
  reconcile(body, items, keyOf, create, (row, item) => {
    for (const [index, [className, textOf]] of columns.entries()) {
      const cell = /** @type {HTMLElement} */ (row.children[index]);
      const text = textOf(item);
      setText(cell, className.includes('serials') ? shortSerials(text) : text);
      if (/cut|serials/.test(className) && cell.title !== text) cell.title = text;
    }
  });
}
