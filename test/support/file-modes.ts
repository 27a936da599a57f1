// Drops root's rights for part of a test, so that file modes take effect where tests run as root, as in CI.

/** A user id that no account of the system has. */
const nobody = 65_534;

/** Runs `action` without root's rights. `asOwner` restores them for the duration of one synchronous call. */
export async function unprivileged(
  action: (asOwner: (change: () => void) => void) => Promise<void>,
): Promise<void> {
  if (process.geteuid?.() !== 0) return action((change) => change());
  process.seteuid?.(nobody);
  try {
    await action((change) => {
      process.seteuid?.(0);
      try {
        change();
      } finally {
        process.seteuid?.(nobody);
      }
    });
  } finally {
    process.seteuid?.(0);
  }
}
