// Every cell that is measured on running servers, in the order of the report.
import { attackerCells } from './attackers.ts';
import type { Cell } from './cell.ts';
import { connectionCells } from './connections.ts';
import { natsCliCells } from './nats-cli.ts';
import { requestCells } from './requests.ts';
import { routeCells } from './routes.ts';
import { silentCells } from './silent.ts';
import { slowConsumerCells } from './slow-consumer.ts';
import { swapCells } from './swap.ts';
import { trafficCells } from './traffic.ts';

export const cells: readonly Cell[] = [
  ...trafficCells,
  ...routeCells,
  ...slowConsumerCells,
  ...requestCells,
  ...connectionCells,
  ...attackerCells,
  ...silentCells,
  ...swapCells,
  ...natsCliCells,
];
