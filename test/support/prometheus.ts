// Reads the text format of Prometheus (exposition_formats.md, version 0.0.4) as strictly as `promtool check metrics`: a
// document that breaks a rule of the format or of its naming is refused.

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** The value of each series by its labels, `block="tls"`; empty for none. */
  readonly series: Map<string, number>;
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const number = /^([+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|NaN|[+-]Inf)$/i;

/** Reads a document; throws what is wrong with it, with the line. */
export function parseMetrics(document: string): Map<string, Family> {
  if (!document.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let current: Family | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of document.slice(0, -1).split('\n')) {
    const refuse = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name = '', text = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? refuse('no help');
      help = { name, text };
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? refuse('no type');
      if (help?.name !== name) refuse('the help does not stand before the type');
      if (families.has(name)) refuse('a second type');
      checkName(name, type, refuse);
      current = { name, help: help?.text ?? '', type, series: new Map() };
      families.set(name, current);
    } else {
      const sample = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? refuse('no sample');
      const [, name, labels = '', value = ''] = sample as RegExpExecArray;
      if (name !== current?.name) refuse('a sample apart from its type');
      checkLabels(labels, refuse);
      if (!number.test(value)) refuse('no number');
      const key = labels.split(',').sort().join(',');
      if (current?.series.has(key)) refuse('a series twice');
      if (current?.type === 'counter' && !(Number(value) >= 0)) refuse('a counter below zero');
      current?.series.set(key, Number(value));
    }
  }
  return families;
}

function checkName(name: string, type: string, refuse: (why: string) => never): void {
  if (!metricName.test(name)) refuse('not a name');
  if (type === 'counter' && !name.endsWith('_total')) refuse('a counter without _total');
  if (type !== 'counter' && name.endsWith('_total')) refuse('_total on what is no counter');
  if (/_(milliseconds|ms|minutes|hours|days|kilobytes|percent)(_|$)/.test(name)) refuse('not a base unit');
  if (/[A-Z]/.test(name)) refuse('capital letters in a name');
  if (/_(gauge|counter)(_|$)/.test(name)) refuse('its type in the name');
}

function checkLabels(labels: string, refuse: (why: string) => never): void {
  const names = new Set<string>();
  for (let at = 0; at < labels.length; at = labelPair.lastIndex) {
    labelPair.lastIndex = at;
    const [, name = ''] = labelPair.exec(labels) ?? refuse('not a label');
    if (names.has(name) || name.startsWith('__')) refuse('a label twice, or one that is reserved');
    names.add(name);
  }
}
