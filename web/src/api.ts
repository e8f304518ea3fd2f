// The market's nouns as they travel: the JSON of the Go types in package marketplace.

/** A sum of BTT as a decimal string; see words/amount.ts. Never a number: 18 decimals. */
export type Amount = string;
/** A TRON account, T… */
export type Address = string;
/** A time, RFC 3339. */
export type Time = string;
/** A length of time like "30d", "6h", "90s"; see words/time.ts. */
export type Span = string;

export type BountyState =
  "unfunded" | "open" | "filled" | "degraded" | "completed" | "cancelled" | "expired";
export type LeaseState =
  | "reserved" | "fetching" | "proving" | "active" | "grace"
  | "completed" | "released" | "failed";
export type OfferState = "live" | "paused" | "closed";
export type Standing = "new" | "vetted" | "suspended" | "disqualified";
export type ChequeState =
  "owed" | "signed" | "submitted" | "included" | "solid" | "replaced" | "reverted";
export type Verdict = "pass" | "fail" | "data_fault" | "unaudited";

export interface BountyTerms {
  instrument: string;
  infohash: string;
  replicas: number;
  price_max: Amount;
  keep_for: Span;
  mandate: string;
  regions?: string[] | null;
  rate_min?: number;
  good_for?: Span;
}

export interface Bounty {
  id: number;
  poster: Address;
  terms: BountyTerms;
  name: string;
  size: number;
  billed: number;
  state: BountyState;
  reason?: string;
  leased: number;
  proven: number;
  reserved: Amount;
  spent: Amount;
  posted_at: Time;
  good_till: Time;
  ends_at?: Time;
}

export interface OfferTerms {
  storage: number;
  upload_rate: number;
  leases_max: number;
  price_min: Amount;
  term_min?: Span;
  term_max: Span;
  torrent_max: number;
  region: string;
  peer: string;
  payee: Address;
}

export interface Offer {
  id: number;
  agent: Address;
  terms: OfferTerms;
  state: OfferState;
  standing: Standing;
  used: number;
  leases: number;
  posted_at: Time;
  seen_at: Time;
  reason?: string;
}

export interface Lease {
  id: number;
  bounty: number;
  offer: number;
  call: number;
  poster: Address;
  agent: Address;
  payee: Address;
  peer: string;
  infohash: string;
  size: number;
  billed: number;
  price: Amount;
  state: LeaseState;
  reason?: string;
  reserved_at: Time;
  deadline?: Time;
  active_at?: Time;
  ends_at?: Time;
  ended_at?: Time;
  keep_for: Span;
  verified: number;
  earned: Amount;
  held: Amount;
  passed: number;
  missed: number;
}

export interface Price {
  signature: string;
  price: Amount;
  replicas: number;
}

export interface Fill {
  bounty: number;
  offer: number;
  price: Amount;
}

export interface Call {
  id: number;
  previous: string;
  input: string;
  hash: string;
  at: Time;
  bounties: number;
  offers: number;
  fills: Fill[] | null;
  clearings: Price[] | null;
}

export interface Proof {
  lease: number;
  bounty: number;
  agent: Address;
  epoch: number;
  verdict: Verdict;
  passes: number;
  reports: number;
  seconds: number;
  earned: Amount;
  at: Time;
}

export interface SignedCheque {
  id: number;
  cheque: { from: Address; mandate: string; to: Address; cumulative: Amount; bytes: number };
  state: ChequeState;
  signers?: Address[] | null;
  tx?: string;
  drafted_at: Time;
}

export interface Account {
  address: Address;
  free: Amount;
  reserved: Amount;
  thawing: Amount;
  spent: Amount;
  payable: Amount;
  held: Amount;
  redeemed: Amount;
}

export interface Solvency {
  block: number;
  vault: Amount;
  ledger: Amount;
  token: Amount;
  free: Amount;
  reserved: Amount;
  payable: Amount;
  held: Amount;
  difference?: string;
  frozen: boolean;
  compared_at: Time;
  ledger_debit: Amount;
  ledger_credit: Amount;
}

export interface Market {
  at: Time;
  epoch: number;
  bounties: Partial<Record<BountyState, number>> | null;
  wanted: number;
  leased: number;
  proven: number;
  kept_alive: number;
  offers: number;
  free_storage: number;
  reserved: Amount;
  earned: Amount;
  redeemed: Amount;
  last_call?: Call | null;
  clearings: Price[] | null;
}

export interface MarketInfo {
  rules: {
    call_every: Span;
    accept_deadline: Span;
    notice: Span;
    epoch: Span;
    grace: Span;
    auditors: number;
    audit_quorum: number;
    challenges: number;
    holdback_bps: number;
    fee_bps: number;
    billed_min: number;
    redeem_fee_bps: number;
    redeem_after: Span;
  };
  chain_id: number;
  vault: Address;
  token: Address;
  auditors: Address[] | null;
  quorum: number;
  fee_payee: Address;
}

export interface MarketEvent {
  id: string;
  kind: string;
  who?: Address[] | null;
  thing: number;
  data?: unknown;
  at: Time;
}

/** A page of a list, newest first. */
export interface Page<T> {
  items: T[] | null;
  next: string;
}

/** A refusal of the market, as application/problem+json says it. */
export class Problem extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.name = "Problem";
    this.status = status;
  }
}

/** get reads one address of the market. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: signal ?? null });
  if (!answer.ok) {
    const said = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string };
    throw new Problem(answer.status, said.detail ?? said.title ?? `the market answered ${answer.status}`);
  }
  return (await answer.json()) as T;
}
