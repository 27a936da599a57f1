// The names of accounts that nats-server has of its own.

/** The account of everybody whom the configuration puts nowhere else (nats-server's const.go). */
export const globalAccountName = '$G';
