// The keywords of the protocols as tries, and what may follow each keyword.

/** What may follow a keyword up to the end of the line (nats-server, server/parser.go). */
type Shape = 'arguments' | 'json' | 'ignored';

/** The operations that clients and routes share, by their upper-case keywords. */
const common = {
  CONNECT: 'json',
  INFO: 'json',
  PING: 'ignored',
  PONG: 'ignored',
  '+OK': 'ignored',
  '-ERR': 'arguments',
} as const;

/** A node of the trie. */
export interface Letter<Operation> {
  readonly next: Map<number, Letter<Operation>>;
  operation: Operation | undefined;
}

/** The operations of one protocol. */
export interface Grammar<Operation extends string> {
  readonly shapes: Readonly<Record<Operation, Shape>>;
  /** A trie of the keywords in both cases: it rejects a wrong byte on arrival, not at the end of the line. */
  readonly alphabet: Letter<Operation>;
}

export const clientGrammar = grammar({
  ...common,
  PUB: 'arguments',
  HPUB: 'arguments',
  SUB: 'arguments',
  UNSUB: 'arguments',
});

/** Operations with an L are about leaf nodes of other servers. Operations for gateways are not supported. */
export const routeGrammar = grammar({
  ...common,
  'RS+': 'arguments',
  'RS-': 'arguments',
  RMSG: 'arguments',
  HMSG: 'arguments',
  'LS+': 'arguments',
  'LS-': 'arguments',
  LMSG: 'arguments',
  'A+': 'arguments',
  'A-': 'arguments',
});

export type ClientOperation = keyof typeof clientGrammar.shapes;
export type RouteOperation = keyof typeof routeGrammar.shapes;

function grammar<Operation extends string>(shapes: Record<Operation, Shape>): Grammar<Operation> {
  return { shapes, alphabet: spell(Object.keys(shapes) as Operation[]) };
}

function spell<Operation extends string>(keywords: readonly Operation[]): Letter<Operation> {
  const root: Letter<Operation> = { next: new Map(), operation: undefined };
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
