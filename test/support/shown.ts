// Makes the output of a command comparable between runs.

/** Replaces pins, serial numbers, dates, times and days left with placeholders. */
export function steady(text: string): string {
  return text
    .replace(/\b[0-9a-f]{64}\b/g, 'PIN')
    .replace(/\b[0-9a-f]{38,40}\b/g, 'SERIAL')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z| UTC)/g, 'INSTANT')
    .replace(/\d{4}-\d\d-\d\d/g, 'DAY')
    .replace(/(?<=([#█]|DAY) +)\d+d/g, (days) => 'N'.repeat(days.length));
}
