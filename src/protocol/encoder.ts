// Encodes all operations but messages: constant lines as prepared buffers, other lines on demand.
export const pingLine = Buffer.from('PING\r\n');
export const pongLine = Buffer.from('PONG\r\n');
export const okLine = Buffer.from('+OK\r\n');

/** Encodes the first line of a connection; the space before its end is nats-server's. */
export function infoLine(json: string): Buffer {
  return Buffer.from(`INFO ${json} \r\n`);
}

/** Encodes `-ERR 'text'`. */
export function errorLine(text: string): Buffer {
  return Buffer.from(`-ERR '${text}'\r\n`);
}

/** Encodes the message that tells a requester that its subject has no subscriber (client.go, processInboundClientMsg). */
export function noRespondersMessage(reply: Buffer, sid: string, subject: Buffer): Buffer {
  const headers = `NATS/1.0 503\r\nNats-Subject: ${subject.toString('latin1')}\r\n\r\n`;
  const line = `HMSG ${reply.toString('latin1')} ${sid} ${headers.length} ${headers.length}\r\n`;
  return Buffer.from(`${line}${headers}\r\n`, 'latin1');
}

/**
 * Encodes RS+, or RS- when the weight is zero (nats-server, route.go, addRouteSubOrUnsubProtoToBuf).
 * @param account followed by a space
 * @param subject in Latin-1, like the queue group
 * @param weight number of subscriptions; zero when none is left
 */
export function interestLine(
  account: Buffer,
  subject: string,
  queue: string | undefined,
  weight: number,
): Buffer {
  const group = queue === undefined ? '' : weight > 0 ? ` ${queue} ${weight}` : ` ${queue}`;
  const line = Buffer.allocUnsafe(4 + account.length + subject.length + group.length + 2);
  let at = line.write(weight > 0 ? 'RS+ ' : 'RS- ', 'latin1');
  at += account.copy(line, at);
  line.write(`${subject}${group}\r\n`, at, 'latin1');
  return line;
}
