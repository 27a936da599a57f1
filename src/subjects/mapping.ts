// Maps subjects between accounts: from a pattern with wildcards to one in which placeholders such as `$1` refer to them
// (nats-server's subject_transform.go, as far as imports use it). Works on strings.

/** A literal token, or the index of the source token to insert. */
type Part = string | number;

/** The reason why a mapping is invalid, worded for a message. */
export class MappingError extends Error {}

export class SubjectMapping {
  readonly destination: string;
  /** The pattern that all mapped subjects match. */
  readonly target: string;
  readonly #source: readonly string[];
  readonly #parts: readonly Part[];
  readonly #hasRest: boolean;

  /** Throws a MappingError. @param destination must use each wildcard of the source */
  constructor(source: string, destination: string) {
    const tokens = destination.split('.');
    if (!isPattern(source) || !isPattern(destination) || tokens.includes('*')) {
      throw new MappingError('it is not a subject');
    }
    this.#source = source.split('.');
    this.destination = destination;
    this.#hasRest = tokens.at(-1) === '>';
    if (this.#hasRest !== (this.#source.at(-1) === '>')) {
      throw new MappingError('both or neither of the subjects must end in ">"');
    }
    const wildcards = this.#source.flatMap((token, index) => (token === '*' ? index : []));
    this.#parts = tokens.filter((token) => token !== '>').map((token) => partOf(token, wildcards));
    if (this.#parts.filter((part) => typeof part === 'number').length < wildcards.length) {
      throw new MappingError('it does not use every wildcard');
    }
    this.target = withWildcards(destination);
  }

  /** Maps the tokens of a subject that the source matches; wildcards in the subject are ordinary tokens. */
  map(subject: readonly string[]): string {
    const mapped = this.#parts.map((part) => (typeof part === 'string' ? part : (subject[part] ?? '')));
    const rest = this.#hasRest ? subject.slice(this.#source.length - 1) : [];
    return [...mapped, ...rest].join('.');
  }

  /** Returns the reverse mapping, with the placeholders in their order, as in nats-server. Throws a MappingError. */
  reverse(): SubjectMapping {
    const placeholders = this.destination.split('.').filter((token) => placeholder(token) !== undefined);
    const back = this.#source.map((token) => (token === '*' ? (placeholders.shift() ?? token) : token));
    return new SubjectMapping(this.target, back.join('.'));
  }
}

/** Replaces each wildcard by a placeholder: `a.*` becomes `a.$1`. */
export function withPlaceholders(subject: string): string {
  let count = 0;
  return mapTokens(subject, (token) => {
    if (token !== '*') return token;
    count++;
    return `$${count}`;
  });
}

/** Replaces each placeholder by a wildcard: `a.$1` becomes `a.*`. */
export function withWildcards(subject: string): string {
  return mapTokens(subject, (token) => (placeholder(token) === undefined ? token : '*'));
}

function mapTokens(subject: string, change: (token: string) => string): string {
  return subject.split('.').map(change).join('.');
}

/** Returns the number in `$1` or `{{wildcard(1)}}`; undefined for any other token. */
function placeholder(token: string): number | undefined {
  const match = /^\$(\d+)$|^\{\{\s*[wW]ildcard\s*\(\s*(\d+)\s*\)\s*\}\}$/.exec(token);
  const number = match?.[1] ?? match?.[2];
  return number === undefined ? undefined : Number(number);
}

function partOf(token: string, wildcards: readonly number[]): Part {
  const number = placeholder(token);
  if (number !== undefined) {
    const index = wildcards[number - 1];
    if (index === undefined) throw new MappingError(`it has no wildcard for ${token}`);
    return index;
  }
  if (/^\{\{.*\}\}$/.test(token)) throw new MappingError('imports support no mapping function but wildcard');
  return token;
}

function isPattern(subject: string): boolean {
  const tokens = subject.split('.');
  return tokens.every(
    (token, index) => !/^$|\s/.test(token) && (token !== '>' || index === tokens.length - 1),
  );
}
