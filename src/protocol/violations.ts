// Everything a client can do wrong: the exact -ERR text nats-server answers with, and whether it then
// closes the connection. Nothing is sent or logged here.

/** Why a connection ended, in the words of nats-server's monitoring (monitor.go, ClosedState). */
export type CloseReason =
  | 'Client Closed'
  | 'Authentication Timeout'
  | 'Authentication Failure'
  | 'TLS Handshake Failure'
  | 'Slow Consumer (Pending Bytes)'
  | 'Slow Consumer (Write Deadline)'
  | 'Write Error'
  | 'Read Error'
  | 'Parse Error'
  | 'Stale Connection'
  | 'Protocol Violation'
  | 'Bad Client Protocol Version'
  | 'Maximum Connections Exceeded'
  | 'Maximum Account Connections Exceeded'
  | 'Maximum Message Payload Exceeded'
  | 'Maximum Subscriptions Exceeded'
  | 'Maximum Control Line Exceeded'
  | 'Server Shutdown'
  | 'No Responders Requires Headers'
  | 'Kicked'
  | 'Duplicate Route'
  | 'Route Removed'
  | 'Cluster Name Conflict'
  | 'Duplicate Server Name'
  | 'Incorrect Port';

export interface Violation {
  /** What stands between the quotes of `-ERR '...'`; undefined where nats-server closes without a word. */
  readonly text: string | undefined;
  /** Undefined where the connection stays open. */
  readonly closes: CloseReason | undefined;
  /** What the log says of it; undefined for nothing. */
  readonly log: string | undefined;
}

function closing(text: string | undefined, closes: CloseReason, log?: string): Violation {
  return { text, closes, log };
}

function remark(text: string, log?: string): Violation {
  return { text, closes: undefined, log };
}

/** The fixed ones; the texts are those of nats-server's client.go, parser.go and errors.go. */
export const violations = {
  unknownOperation: closing('Unknown Protocol Operation', 'Protocol Violation', 'Client parser ERROR'),
  /** A known operation with arguments that make no sense: nats-server logs and hangs up. */
  malformed: closing(undefined, 'Protocol Violation', 'Client parser ERROR'),
  headersNotSupported: closing(undefined, 'Protocol Violation', 'message headers not supported'),
  peerError: closing(undefined, 'Parse Error', 'Client Error'),
  maxControlLine: closing(
    'maximum control line exceeded',
    'Maximum Control Line Exceeded',
    'maximum control line exceeded',
  ),
  maxPayload: closing(
    'Maximum Payload Violation',
    'Maximum Message Payload Exceeded',
    'maximum payload exceeded',
  ),
  maxConnections: closing('maximum connections exceeded', 'Maximum Connections Exceeded'),
  maxAccountConnections: closing(
    'maximum account active connections exceeded',
    'Maximum Account Connections Exceeded',
    'maximum account active connections exceeded',
  ),
  /** Of one that has more than a reload leaves it. */
  maxAccountSubscriptions: closing(
    'maximum subscriptions exceeded',
    'Maximum Subscriptions Exceeded',
    'maximum subscriptions exceeded',
  ),
  throttled: closing(
    'Connection throttling is active. Please try again later.',
    'Maximum Connections Exceeded',
  ),
  authorization: closing('Authorization Violation', 'Authentication Failure', 'authentication error'),
  authenticationTimeout: closing('Authentication Timeout', 'Authentication Timeout'),
  badProtocolVersion: closing(
    'invalid client protocol',
    'Bad Client Protocol Version',
    'invalid client protocol',
  ),
  noRespondersNeedsHeaders: closing(
    'no responders requires headers support',
    'No Responders Requires Headers',
    'no responders requires headers support',
  ),
  staleConnection: closing('Stale Connection', 'Stale Connection'),
  maxSubscriptions: remark('maximum subscriptions exceeded', 'maximum subscriptions exceeded'),
  invalidSubject: remark('Invalid Subject'),
  invalidPublishSubject: remark('Invalid Publish Subject'),
} as const satisfies Record<string, Violation>;

/** Answers a client that has come to the port of routes. */
export const clientOnRoutePort: Violation = closing(
  'attempted to connect to route port',
  'Incorrect Port',
  'attempted to connect to route port',
);

/** Answers a server of another cluster; the names come quoted. */
export function otherCluster(theirs: string, ours: string): Violation {
  const text = `Rejecting connection, cluster name ${theirs} does not match ${ours}`;
  return closing(text, 'Cluster Name Conflict', text);
}

/** Answers a publish to a subject the client may not use; `subject` comes quoted. */
export function publishDenied(subject: string): Violation {
  return remark(`Permissions Violation for Publish to ${subject}`, `Publish Violation - Subject ${subject}`);
}

/** Answers a publish whose reply subject is reserved; `reply` comes quoted. */
export function replyDenied(reply: string): Violation {
  return remark(
    `Permissions Violation for Publish with Reply of ${reply}`,
    `Publish Violation - Reply ${reply}`,
  );
}

/** Answers a subscription the client may not make; subject and queue group come quoted. */
export function subscribeDenied(subject: string, queue?: string): Violation {
  const text = `Permissions Violation for Subscription to ${subject}`;
  const log = `Subscription Violation - Subject ${subject}`;
  return queue === undefined
    ? remark(text, log)
    : remark(`${text} using queue ${queue}`, `${log}, Queue: ${queue}`);
}

/** Tells of a subscription that a reload has ended; subject, queue group and id come quoted. */
export function subscriptionRemoved(subject: string, queue: string | undefined, sid: string): Violation {
  const using = queue === undefined ? '' : ` using queue ${queue}`;
  return remark(`Permissions Violation for Subscription to ${subject}${using} (sid ${sid})`);
}

/** Answers a subscription with more tokens than max_subscription_tokens allows. */
export function tooManyTokens(subject: string): Violation {
  return remark(
    `Permissions Violation for Subscription to ${subject}, too many tokens`,
    `Subscription Violation Too Many Tokens - Subject ${subject}`,
  );
}
