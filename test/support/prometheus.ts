// Parses the text format of Prometheus (exposition_formats.md, version 0.0.4) as strictly as `promtool check
// metrics`. It rejects a document that breaks a rule of the format or of its naming.

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** The value of each series by its labels, `block="tls"`; the key is empty without labels. */
  readonly series: Map<string, number>;
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const number = /^([+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|NaN|[+-]Inf)$/i;

/** Parses a document; throws an error that names the broken rule and quotes the line. */
export function parseMetrics(document: string): Map<string, Family> {
  if (!document.endsWith('\n')) throw new Error('the last line has no newline');
  const families = new Map<string, Family>();
  let current: Family | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of document.slice(0, -1).split('\n')) {
    const refuse = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name = '', text = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? refuse('malformed HELP line');
      help = { name, text };
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] =
        /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? refuse('malformed TYPE line');
      if (help?.name !== name) refuse('HELP of this metric does not precede its TYPE');
      if (families.has(name)) refuse('a second TYPE line for this metric');
      checkName(name, type, refuse);
      current = { name, help: help?.text ?? '', type, series: new Map() };
      families.set(name, current);
    } else {
      const sample = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? refuse('malformed sample');
      const [, name, labels = '', value = ''] = sample as RegExpExecArray;
      if (name !== current?.name) refuse('a sample outside the group of its TYPE');
      checkLabels(labels, refuse);
      if (!number.test(value)) refuse('value is not a number');
      const key = labels.split(',').sort().join(',');
      if (current?.series.has(key)) refuse('duplicate series');
      if (current?.type === 'counter' && !(Number(value) >= 0)) refuse('a negative counter');
      current?.series.set(key, Number(value));
    }
  }
  return families;
}

function checkName(name: string, type: string, refuse: (why: string) => never): void {
  if (!metricName.test(name)) refuse('invalid metric name');
  if (type === 'counter' && !name.endsWith('_total')) refuse('a counter without the suffix _total');
  if (type !== 'counter' && name.endsWith('_total'))
    refuse('the suffix _total on a metric that is not a counter');
  if (/_(milliseconds|ms|minutes|hours|days|kilobytes|percent)(_|$)/.test(name))
    refuse('the unit is not a base unit');
  if (/[A-Z]/.test(name)) refuse('an upper-case letter in a metric name');
  if (/_(gauge|counter)(_|$)/.test(name)) refuse('the metric type in its name');
}

function checkLabels(labels: string, refuse: (why: string) => never): void {
  const names = new Set<string>();
  for (let at = 0; at < labels.length; at = labelPair.lastIndex) {
    labelPair.lastIndex = at;
    const [, name = ''] = labelPair.exec(labels) ?? refuse('malformed label');
    if (names.has(name) || name.startsWith('__')) refuse('a duplicate or reserved label');
    names.add(name);
  }
}
