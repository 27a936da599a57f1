// Runs the garbage collector, for tests of what the code keeps alive.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects garbage at once. A WeakRef that the current job has read keeps its target until that job ends. */
export const collectGarbage = runInNewContext('gc') as () => void;
