// Runs the command line as a user who is not root, since nothing is closed to root.
import { spawnSync } from 'node:child_process';
import { bin } from './cli.ts';

const dropRoot =
  'data:text/javascript,if(process.getuid()===0){process.setgroups([]);process.setgid(65534);process.setuid(65534)}';

/** Arguments of node, before the script. */
export const asNobody = ['--import', dropRoot];

/** False where the checkout itself is closed to others, as below a home folder of mode 0700: then nothing can be tried. */
export const nobodyCanRun =
  spawnSync(process.execPath, [...asNobody, bin, '--version'], { stdio: 'ignore' }).status === 0;
