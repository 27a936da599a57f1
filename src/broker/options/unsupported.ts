// What nats-server's configuration can say and this broker cannot do yet: refused with its place, or, where somebody
// insists, a warning; never passed over in silence.
import type { MapReader } from '../../conf/reader.ts';

const hint = 'remove it, or run this configuration on nats-server';

/**
 * Reports each of the fields that is set to something other than `false`.
 * @param features what each field is about, by its name
 * @param ignore warn instead; whoever does it sees to it that nobody may do more than with the feature
 * @returns whether any was set
 */
export function refuseUnsupported(
  reader: MapReader,
  features: Readonly<Record<string, string>>,
  ignore = false,
): boolean {
  let any = false;
  for (const [field, feature] of Object.entries(features)) {
    const value = reader.value(field);
    if (value === undefined || (value.kind === 'boolean' && !value.value)) continue;
    any = true;
    if (ignore) {
      reader.warning(
        value.position,
        `"${field}" is ignored: the bundled broker does not support ${feature}`,
        'run this configuration on nats-server for it',
        'unsupported',
      );
    } else {
      reader.error(
        value.position,
        `"${field}" is not supported: the bundled broker does not have ${feature}`,
        hint,
      );
    }
  }
  return any;
}
