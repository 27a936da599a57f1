// All protocol violations: the exact -ERR text of nats-server, and whether the connection is closed. It sends and logs
// nothing.

/** Why a connection was closed, in the words of nats-server's monitoring (monitor.go, ClosedState). */
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
  | 'Incorrect Port'
  /** Closed by nats-server when a user is revoked; here also when a certificate is. */
  | 'Credentials Revoked';

export interface Violation {
  /** The text in `-ERR '...'`; undefined where nats-server closes the connection without an answer. */
  readonly text: string | undefined;
  /** Undefined if the connection stays open. */
  readonly closes: CloseReason | undefined;
  /** The text for the log; undefined for none. */
  readonly log: string | undefined;
}

function closing(text: string | undefined, closes: CloseReason, log?: string): Violation {
  return { text, closes, log };
}

function remark(text: string, log?: string): Violation {
  return { text, closes: undefined, log };
}

/** The violations without parameters; the texts are those of nats-server's client.go, parser.go and errors.go. */
export const violations = {
  unknownOperation: closing('Unknown Protocol Operation', 'Protocol Violation', 'Client parser ERROR'),
  /** A known operation with invalid arguments: nats-server logs and closes the connection. */
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
  /** For a connection that has more subscriptions than a configuration reload allows. */
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

/** For a client that connects to the route port. */
export const clientOnRoutePort: Violation = closing(
  'attempted to connect to route port',
  'Incorrect Port',
  'attempted to connect to route port',
);

/** For a server of another cluster; the names are already quoted. */
export function otherCluster(theirs: string, ours: string): Violation {
  const text = `Rejecting connection, cluster name ${theirs} does not match ${ours}`;
  return closing(text, 'Cluster Name Conflict', text);
}

/** For a server that dials several routes (route.go, addRoute). */
export function pooledRoute(index: number): Violation {
  const text = `Route pool index should not be set but is set to ${index}`;
  return closing(text, 'Protocol Violation', text);
}

/** For a server that dials a route which this one does not have. @param slot the index, or the quoted account */
export function unknownSlot(slot: number | string, poolSize: number): Violation {
  const text =
    typeof slot === 'string'
      ? `No route for account ${slot}`
      : `Invalid route pool index: ${slot} - pool size is ${poolSize}`;
  return closing(text, 'Protocol Violation', text);
}

/** For a publish to a subject that the client may not use; `subject` is already quoted. */
export function publishDenied(subject: string): Violation {
  return remark(`Permissions Violation for Publish to ${subject}`, `Publish Violation - Subject ${subject}`);
}

/** For a publish with a reserved reply subject; `reply` is already quoted. */
export function replyDenied(reply: string): Violation {
  return remark(
    `Permissions Violation for Publish with Reply of ${reply}`,
    `Publish Violation - Reply ${reply}`,
  );
}

/** For a subscription that the client may not make; subject and queue group are already quoted. */
export function subscribeDenied(subject: string, queue?: string): Violation {
  const text = `Permissions Violation for Subscription to ${subject}`;
  const log = `Subscription Violation - Subject ${subject}`;
  return queue === undefined
    ? remark(text, log)
    : remark(`${text} using queue ${queue}`, `${log}, Queue: ${queue}`);
}

/** For a subscription that a configuration reload has removed; subject, queue group and id are already quoted. */
export function subscriptionRemoved(subject: string, queue: string | undefined, sid: string): Violation {
  const using = queue === undefined ? '' : ` using queue ${queue}`;
  return remark(`Permissions Violation for Subscription to ${subject}${using} (sid ${sid})`);
}

/** For a subscription with more tokens than max_subscription_tokens allows. */
export function tooManyTokens(subject: string): Violation {
  return remark(
    `Permissions Violation for Subscription to ${subject}, too many tokens`,
    `Subscription Violation Too Many Tokens - Subject ${subject}`,
  );
}
