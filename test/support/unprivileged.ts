// Runs the command line as a user other than root, because file modes do not restrict root.
import { spawnSync } from 'node:child_process';
import { bin } from '../harness/process.ts';

const dropRoot =
  'data:text/javascript,if(process.getuid()===0){process.setgroups([]);process.setgid(65534);process.setuid(65534)}';

/** Options of node, placed before the script. */
export const asNobody = ['--import', dropRoot];

/**
 * False where other users cannot read the checkout, as below a home folder of mode 0700; such tests are then
 * skipped.
 */
export const nobodyCanRun =
  spawnSync(process.execPath, [...asNobody, bin, '--version'], { stdio: 'ignore' }).status === 0;
