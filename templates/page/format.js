// Formats numbers and times for display.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const dateAndMinute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** @param {number} value */
export function count(value) {
  return value < 1_000_000 ? whole.format(value) : short.format(value);
}

/** @param {number} size */
export function bytes(size) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = size;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value >= 100 || unit === 0 ? whole.format(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Formats a span in its two largest units. @param {number} milliseconds */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value !== 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value !== 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** Shortens the serial numbers in a text; the whole text belongs into a title. @param {string} text */
export function shortSerials(text) {
  return text.replace(/\b([0-9a-f]{8})[0-9a-f]{8,}\b/g, '$1…');
}

/** @param {string | number} at */
export function moment(at) {
  return dateAndTime.format(new Date(at));
}

/** Formats a time to the minute. @param {string | number} at */
export function minute(at) {
  return dateAndMinute.format(new Date(at));
}

/** @param {number} at */
export function clock(at) {
  return time.format(new Date(at));
}
