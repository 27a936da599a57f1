// Has the garbage collected, for tests of what is kept and what is not.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects now; what is looked at by a WeakRef stays until the job at hand is over. */
export const collectGarbage = runInNewContext('gc') as () => void;
