// The keywords of the client protocol, letter by letter, and what may follow each.

/** The keyword of an operation, in capitals. */
export type Operation =
  | 'CONNECT'
  | 'PUB'
  | 'HPUB'
  | 'SUB'
  | 'UNSUB'
  | 'PING'
  | 'PONG'
  | 'INFO'
  | '+OK'
  | '-ERR';

/** Says what may stand between the keyword and the end of the line (nats-server, server/parser.go). */
export const shapes: Record<Operation, 'arguments' | 'json' | 'ignored'> = {
  CONNECT: 'json',
  PUB: 'arguments',
  HPUB: 'arguments',
  SUB: 'arguments',
  UNSUB: 'arguments',
  PING: 'ignored',
  PONG: 'ignored',
  INFO: 'json',
  '+OK': 'ignored',
  '-ERR': 'arguments',
};

/** How far a keyword has come. */
export interface Letter {
  readonly next: Map<number, Letter>;
  operation: Operation | undefined;
}

/** A trie over the keywords in both cases: a wrong byte is refused when it comes, not at the end of the line. */
export const alphabet: Letter = spell(Object.keys(shapes) as Operation[]);

function spell(keywords: readonly Operation[]): Letter {
  const root: Letter = { next: new Map(), operation: undefined };
  for (const keyword of keywords) {
    let letter = root;
    for (const character of keyword) {
      const known = letter.next.get(character.charCodeAt(0));
      const next = known ?? { next: new Map(), operation: undefined };
      letter.next.set(character.charCodeAt(0), next);
      letter.next.set(character.toLowerCase().charCodeAt(0), next);
      letter = next;
    }
    letter.operation = keyword;
  }
  return root;
}
