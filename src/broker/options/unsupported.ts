// Reports nats-server options that this broker does not support: as an error at the option's position or, on request,
// as a warning. Never ignores one silently.
import type { MapReader } from '../../conf/reader.ts';

const hint = 'remove it, or run this configuration on nats-server';

/**
 * Reports each of the fields that is set to anything but `false`.
 * @param features the feature that each field belongs to, by the field's name
 * @param ignore warn instead of failing; the caller then ensures that no client gains rights without the feature
 * @returns whether any of the fields is set
 */
export function reportUnsupported(
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
        'run this configuration on nats-server to use it',
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
