// Names of accounts that are built into nats-server.

/** The account of every client that the configuration assigns to no other (nats-server's const.go). */
export const globalAccountName = '$G';
