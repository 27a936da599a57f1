// What oclif's commands ask of their configuration. oclif's own looks for plugins, hooks and themes in the file system,
// which takes longer than most commands do, and there are none.
import type { Config } from '@oclif/core/config';

/** Returns the configuration of a program without plugins, hooks and themes. */
export function commandConfig(version: string): Config {
  const bin = 'natspki';
  const scopedEnvVarKey = (key: string) => `${bin}_${key}`.toUpperCase();
  const config = {
    bin,
    name: bin,
    version,
    userAgent: `${bin}/${version} ${process.platform}-${process.arch} node-${process.version}`,
    // Commands have no parts, so nothing of a command line is ever taken apart or put together at this.
    topicSeparator: ':',
    scopedEnvVarKey,
    scopedEnvVarKeys: (key: string) => [scopedEnvVarKey(key)],
    scopedEnvVar: (key: string) => process.env[scopedEnvVarKey(key)],
    runHook: async () => ({ successes: [], failures: [] }),
  };
  return config as unknown as Config;
}
