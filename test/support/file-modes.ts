// Makes file modes count in a test that runs as root, as it does in CI.

/** No user of the system has it. */
const nobody = 65_534;

/** Runs `action` without root's rights; `asOwner` gives them back for the time of a call that does not wait. */
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
