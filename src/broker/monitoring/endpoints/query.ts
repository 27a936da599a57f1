// The query of a monitoring request, parsed as nats-server does: rejects what nats-server rejects, in the same words.
import { quote } from '../../../log.ts';

/** An invalid request; the message is the response. */
export class InvalidQuery extends Error {}

const trueWords = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const falseWords = ['0', 'f', 'F', 'FALSE', 'false', 'False'];
const integerLimit = 2n ** 63n;

/** The parameters of one request; each is parsed as its Go type (monitor.go, decodeBool and similar functions). */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters;
  }

  /** Returns the same query with another value for one parameter. */
  with(name: string, value: string): Query {
    const parameters = new URLSearchParams(this.#parameters);
    parameters.set(name, value);
    return new Query(parameters);
  }

  /** Returns an empty string if it is absent. */
  text(name: string): string {
    return this.#parameters.get(name) ?? '';
  }

  boolean(name: string): boolean {
    const text = this.text(name);
    if (text === '' || falseWords.includes(text)) return false;
    if (trueWords.includes(text)) return true;
    throw decodingError('boolean', name, 'ParseBool', text, 'invalid syntax');
  }

  /** Whether and how to list subscriptions. */
  subscriptions(name: string): 'none' | 'list' | 'detail' {
    if (this.text(name).toLowerCase() === 'detail') return 'detail';
    return this.boolean(name) ? 'list' : 'none';
  }

  /** Returns 0 if it is absent. */
  integer(name: string): number {
    const text = this.text(name);
    if (text === '') return 0;
    if (!/^[+-]?\d+$/.test(text)) throw decodingError('int', name, 'Atoi', text, 'invalid syntax');
    const value = BigInt(text.replace('+', ''));
    if (value >= integerLimit || value < -integerLimit) {
      throw decodingError('int', name, 'Atoi', text, 'value out of range');
    }
    return Number(value);
  }

  /** Returns 0 if it is absent. */
  unsigned(name: string): number {
    const text = this.text(name);
    if (text === '') return 0;
    if (!/^\d+$/.test(text)) throw decodingError('uint64', name, 'ParseUint', text, 'invalid syntax');
    if (BigInt(text) >= 2n * integerLimit) {
      throw decodingError('uint64', name, 'ParseUint', text, 'value out of range');
    }
    return Number(text);
  }
}

function decodingError(type: string, name: string, parser: string, text: string, why: string): InvalidQuery {
  return new InvalidQuery(
    `Error decoding ${type} for '${name}': strconv.${parser}: parsing ${quote(text)}: ${why}`,
  );
}
