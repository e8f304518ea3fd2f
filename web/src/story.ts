import type { Bounty, Lease } from "./api";
import { told } from "./words/time";

/** A Moment is one thing that happened to a bounty. */
export interface Moment {
  at: string;
  kind: "posted" | "given" | "proven" | "ended";
  /** The lease it happened to. */
  lease?: Lease;
}

/** story tells what happened to a bounty and its leases, newest first. */
export function story(b: Bounty, leases: readonly Lease[]): Moment[] {
  const all: Moment[] = [{ at: b.posted_at, kind: "posted" }];
  for (const lease of leases) {
    all.push({ at: lease.reserved_at, kind: "given", lease });
    if (told(lease.active_at)) all.push({ at: lease.active_at, kind: "proven", lease });
    if (told(lease.ended_at)) all.push({ at: lease.ended_at, kind: "ended", lease });
  }
  return all.sort((x, y) => Date.parse(y.at) - Date.parse(x.at));
}
