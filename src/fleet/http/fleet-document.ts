// The shape of /page.json of an authority, for the page, which is compiled for browsers. Times are ISO 8601 in UTC.

export interface FleetDocument {
  readonly now: string;
  readonly server: {
    /** Changes when the process restarts. */
    readonly id: string;
    readonly version: string;
    readonly node: string;
    readonly start: string;
    /** Resident, in bytes. */
    readonly memory: number;
    /** Whether it is connected to NATS; absent when it does not serve there. */
    readonly nats?: boolean;
  };
  readonly authorities: readonly ShownAuthority[];
  readonly counts: {
    readonly names: number;
    readonly overdue: number;
    /** Since the start, as all that follow. */
    readonly enrolments: number;
    readonly renewals: { readonly est: number; readonly nats: number };
    readonly repeated: number;
    readonly refusals: number;
  };
  /** Absent outside of a rotation of the authority. */
  readonly rotation?: {
    /** Common names. */
    readonly retired: readonly string[];
    readonly total: number;
    /** How many names depend on a retired root, and the first of them. */
    readonly left: number;
    readonly names: readonly string[];
  };
  /** How many names the filter found; `members` has the first of them. */
  readonly found: number;
  readonly members: readonly ShownMember[];
  /** The last refusals because of copied keys, the newest first. */
  readonly copied: readonly ShownRefusal[];
  /** The last refusals, the newest first. */
  readonly refused: readonly ShownRefusal[];
}

export interface ShownMember {
  readonly name: string;
  readonly profile: string;
  readonly serial: string;
  /** `token`, `est`, `nats`, or `folder`. */
  readonly over: string;
  readonly overdue: boolean;
  readonly behind: boolean;
  readonly issued: string;
  readonly renew_at: string;
  readonly not_before: string;
  readonly not_after: string;
}

export interface ShownAuthority {
  readonly subject: string;
  readonly serial: string;
  readonly pin: string;
  readonly not_before: string;
  readonly not_after: string;
}

export interface ShownRefusal {
  readonly time: string;
  readonly name?: string;
  readonly over?: string;
  readonly peer?: string;
  readonly code?: string;
  readonly reason?: string;
}
