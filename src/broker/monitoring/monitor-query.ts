// The query of a monitoring request, read as nats-server reads it: what it refuses is refused here, in its words.
import { quote } from '../../log.ts';

/** What the requester got wrong; the message is the answer. */
export class BadQuery extends Error {}

const trueWords = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const falseWords = ['0', 'f', 'F', 'FALSE', 'false', 'False'];
const integerLimit = 2n ** 63n;

/** The parameters of one request; each is read with its Go type (monitor.go, decodeBool and the like). */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(parameters: URLSearchParams) {
    this.#parameters = parameters;
  }

  /** The same query with another value of one parameter. */
  with(name: string, value: string): Query {
    const parameters = new URLSearchParams(this.#parameters);
    parameters.set(name, value);
    return new Query(parameters);
  }

  /** Empty where it is absent. */
  text(name: string): string {
    return this.#parameters.get(name) ?? '';
  }

  boolean(name: string): boolean {
    const text = this.text(name);
    if (text === '' || falseWords.includes(text)) return false;
    if (trueWords.includes(text)) return true;
    throw refusal('boolean', name, 'ParseBool', text, 'invalid syntax');
  }

  /** Whether subscriptions are listed, and how. */
  subscriptions(name: string): 'none' | 'list' | 'detail' {
    if (this.text(name).toLowerCase() === 'detail') return 'detail';
    return this.boolean(name) ? 'list' : 'none';
  }

  /** 0 where it is absent. */
  integer(name: string): number {
    const text = this.text(name);
    if (text === '') return 0;
    if (!/^[+-]?\d+$/.test(text)) throw refusal('int', name, 'Atoi', text, 'invalid syntax');
    const value = BigInt(text.replace('+', ''));
    if (value >= integerLimit || value < -integerLimit) {
      throw refusal('int', name, 'Atoi', text, 'value out of range');
    }
    return Number(value);
  }

  /** 0 where it is absent. */
  unsigned(name: string): number {
    const text = this.text(name);
    if (text === '') return 0;
    if (!/^\d+$/.test(text)) throw refusal('uint64', name, 'ParseUint', text, 'invalid syntax');
    if (BigInt(text) >= 2n * integerLimit) {
      throw refusal('uint64', name, 'ParseUint', text, 'value out of range');
    }
    return Number(text);
  }
}

function refusal(type: string, name: string, parser: string, text: string, why: string): BadQuery {
  return new BadQuery(
    `Error decoding ${type} for '${name}': strconv.${parser}: parsing ${quote(text)}: ${why}`,
  );
}
