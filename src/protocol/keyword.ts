// The keywords of the protocols, letter by letter, and what may follow each.

/** What may stand between a keyword and the end of the line (nats-server, server/parser.go). */
type Shape = 'arguments' | 'json' | 'ignored';

/** The operations that clients and routes have in common, by their keywords in capitals. */
const common = {
  CONNECT: 'json',
  INFO: 'json',
  PING: 'ignored',
  PONG: 'ignored',
  '+OK': 'ignored',
  '-ERR': 'arguments',
} as const;

/** How far a keyword has come. */
export interface Letter<Operation> {
  readonly next: Map<number, Letter<Operation>>;
  operation: Operation | undefined;
}

/** The operations of one protocol. */
export interface Grammar<Operation extends string> {
  readonly shapes: Readonly<Record<Operation, Shape>>;
  /** A trie over the keywords in both cases: a wrong byte is refused when it comes, not at the end of the line. */
  readonly alphabet: Letter<Operation>;
}

export const clientGrammar = grammar({
  ...common,
  PUB: 'arguments',
  HPUB: 'arguments',
  SUB: 'arguments',
  UNSUB: 'arguments',
});

/** Those with an L tell of leaf nodes of other servers. Without what is for gateways, which nobody has told of here. */
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
