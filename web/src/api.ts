// The market's nouns as they travel, from the specification that the API is tested against
// (`npm run types` makes openapi.ts of it), under the names that the market gives them.

import type { components } from "./openapi";

type Schemas = components["schemas"];
export type Account = Schemas["Account"];
export type Auditor = Schemas["Auditor"];
export type Bounty = Schemas["Bounty"];
export type Call = Schemas["Call"];
export type Lease = Schemas["Lease"];
export type Market = Schemas["Market"];
export type MarketEvent = Schemas["Event"];
export type MarketInfo = Schemas["MarketInfo"];
export type Offer = Schemas["Offer"];
export type Outlook = Schemas["Outlook"];
export type Price = Schemas["Price"];
export type Proof = Schemas["Proof"];
export type SignedCheque = Schemas["SignedCheque"];
export type Trail = Schemas["Trail"];
export type Visit = Schemas["Visit"];
export type Report = Schemas["Report"];
export type Window = Schemas["Window"];
export type Windows = Schemas["Windows"];
export type Answer = Schemas["Answer"];
export type Solvency = Schemas["Solvency"];

export type BountyState = Bounty["state"];
export type LeaseState = Lease["state"];
export type ChequeState = SignedCheque["state"];
export type Outcome = Answer["outcome"];
export type Verdict = Proof["verdict"];

/** A Page is a part of a list; next goes on where it ends. */
export interface Page<T> {
  items: T[];
  next: string;
}

/** A refusal of the market, as application/problem+json says it. */
export class Problem extends Error {
  readonly status: number;
  /** Milliseconds after which asking again makes sense. */
  readonly wait: number;
  constructor(status: number, detail: string, wait: number) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.wait = wait;
  }
}

/** get reads one address of the market. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await fetch(path, {
    headers: { Accept: "application/json" },
    signal: signal ?? null,
  });
  if (!answer.ok) {
    const said = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string };
    throw new Problem(
      answer.status,
      said.detail ?? said.title ?? `the market answered ${answer.status}`,
      1000 * Number(answer.headers.get("Retry-After") ?? 0),
    );
  }
  return (await answer.json()) as T;
}
