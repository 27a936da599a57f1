// /metrics of an authority. It loads prom-client, so import this file dynamically.
import type { Answer } from '../../net/answer.ts';
import { type Metric, MetricTable } from '../../net/metrics.ts';
import { processMetrics } from '../../net/process-metrics.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import { type ListedInvitation, listInvitations } from '../authority/invite.ts';
import { listAuthorities, listMembers, type MemberRow } from './overview.ts';

/** The source of all values, gathered once per response. */
interface Observation {
  readonly fleet: FleetAuthority;
  readonly members: readonly MemberRow[];
  readonly invitations: readonly ListedInvitation[];
  readonly version: string;
}

const seconds = (time: Date) => time.getTime() / 1000;
const states = ['open', 'used', 'expired', 'withdrawn'] as const;

const table: readonly Metric<Observation>[] = [
  {
    name: 'natspki_fleet_certificate_not_after_timestamp_seconds',
    help: 'End of the newest certificate of each name.',
    type: 'gauge',
    labels: ['name', 'profile'],
    read: ({ members }) =>
      members.map(({ name, profile, notAfter }) => [{ name, profile }, seconds(notAfter)]),
  },
  {
    name: 'natspki_fleet_names_overdue',
    help: 'Names whose certificates have less than a quarter of their lives left, or none.',
    type: 'gauge',
    read: ({ members }) => members.filter(({ overdue }) => overdue).length,
  },
  {
    name: 'natspki_fleet_authority_not_after_timestamp_seconds',
    help: 'End of each trusted root and intermediate.',
    type: 'gauge',
    labels: ['name', 'serial'],
    read: ({ fleet }) =>
      listAuthorities(fleet).map(({ commonName: name, serial, notAfter }) => [
        { name, serial },
        seconds(notAfter),
      ]),
  },
  {
    name: 'natspki_fleet_names_behind',
    help: 'Names whose certificates depend on a retired root.',
    type: 'gauge',
    read: ({ members }) => members.filter(({ behind }) => behind).length,
  },
  {
    name: 'natspki_fleet_enrolments_total',
    help: 'First certificates given for invitations.',
    type: 'counter',
    read: ({ fleet }) => fleet.tally.enrolments,
  },
  {
    name: 'natspki_fleet_renewals_total',
    help: 'Certificates renewed, by transport.',
    type: 'counter',
    labels: ['over'],
    read: ({ fleet }) => (['est', 'nats'] as const).map((over) => [{ over }, fleet.tally.renewals[over]]),
  },
  {
    name: 'natspki_fleet_answers_repeated_total',
    help: 'Answers given again to a member that had not received the first.',
    type: 'counter',
    read: ({ fleet }) => fleet.tally.repeated,
  },
  {
    name: 'natspki_fleet_refusals_total',
    help: 'Requests refused, by reason.',
    type: 'counter',
    labels: ['reason'],
    read: ({ fleet }) => Object.entries(fleet.tally.refusals).map(([reason, count]) => [{ reason }, count]),
  },
  {
    name: 'natspki_fleet_invitations',
    help: 'Invitations of the last month, by state.',
    type: 'gauge',
    labels: ['state'],
    read: ({ invitations }) =>
      states.map((state) => [{ state }, invitations.filter((each) => each.state === state).length]),
  },
  {
    name: 'natspki_fleet_invitations_used',
    help: 'Uses of the invitations of the last month.',
    type: 'gauge',
    read: ({ invitations }) => invitations.reduce((sum, { used }) => sum + used, 0),
  },
  {
    name: 'natspki_build_info',
    help: 'Always 1; the labels identify the program.',
    type: 'gauge',
    labels: ['version', 'node_version'],
    read: ({ version }) => [[{ version, node_version: process.versions.node }, 1]],
  },
  ...processMetrics,
];

export class FleetMetrics {
  readonly #table = new MetricTable(table);
  readonly #fleet: FleetAuthority;
  readonly #version: string;
  readonly #now: () => Date;

  constructor(fleet: FleetAuthority, version: string, now: () => Date) {
    this.#fleet = fleet;
    this.#version = version;
    this.#now = now;
  }

  async answer(): Promise<Answer> {
    const fleet = this.#fleet;
    await fleet.refresh();
    const members = listMembers(fleet, this.#now());
    const invitations = await listInvitations({ directory: fleet.directory, now: this.#now });
    const body = await this.#table.print({ fleet, members, invitations, version: this.#version });
    return { status: 200, type: this.#table.contentType, body };
  }
}
