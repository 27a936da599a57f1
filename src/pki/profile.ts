// What each kind of certificate is for, as a table.

export const profileNames = ['server', 'route', 'client', 'gateway', 'leafnode'] as const;
export type ProfileName = (typeof profileNames)[number];
