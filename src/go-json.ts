// Prints JSON byte for byte as Go does, for clients that compare it with the output of nats-server.

/** Prints a value. Go escapes these characters wherever they occur; undefined members are left out. */
export function goJson(value: object): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
