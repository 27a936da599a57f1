// JSON as Go prints it, for those who compare bytes with what nats-server says.

/** Prints a value: Go writes these characters so, wherever they stand. Undefined members are left out. */
export function goJson(value: object): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
