// What the page concludes from the nouns: which bounty is at risk, what a state means, what prices
// cleared. Pure, so that each conclusion has a test.

import type {
  Auditor,
  Bounty,
  BountyState,
  Call,
  ChequeState,
  LeaseState,
  Offer,
  Outcome,
  Proof,
  Verdict,
  Window,
  Windows,
} from "./api";
import { compare, units } from "./words/amount";
import { count, rate, size } from "./words/size";
import { short, told } from "./words/time";

/** A Tone is what a state means for the reader's money; each has its own shape and colour. */
export type Tone = "good" | "busy" | "warn" | "bad" | "done";

/** A Meaning is a state's tone and a sentence about it. */
export type Meaning = readonly [tone: Tone, says: string];

export const bountyMeans: Record<BountyState, Meaning> = {
  unfunded: ["busy", "Waits until others have pledged the rest of its money."],
  open: ["warn", "Some replicas wait for a call."],
  filled: ["good", "Every replica has a lease."],
  degraded: ["bad", "It lost a replica, which waits for a call."],
  completed: ["done", "Its time is over and everything is paid."],
  cancelled: ["done", "The poster ended it."],
  expired: ["done", "Nobody filled it in time; the money went back."],
};

export const leaseMeans: Record<LeaseState, Meaning> = {
  reserved: ["busy", "Given by a call; the agent has not answered yet."],
  fetching: ["busy", "The agent downloads the torrent."],
  proving: ["busy", "The agent holds everything; audits check that before it is paid."],
  active: ["good", "Proven; it earns."],
  grace: ["warn", "Missed an audit: no pay until it passes again."],
  completed: ["done", "Ran to its end; the holdback was paid."],
  released: ["done", "Ended early without a fault of this replica."],
  failed: ["bad", "Ended by the agent's fault; the holdback went back to who paid it."],
};

export const chequeMeans: Record<ChequeState, Meaning> = {
  owed: ["busy", "Drafted; the auditors check it before they sign."],
  signed: ["busy", "A quorum of auditors signed; the payee holds it."],
  submitted: ["busy", "The transaction that redeems it was sent."],
  included: ["busy", "That transaction is in a block."],
  solid: ["good", "Paid: the block can no longer be reverted."],
  replaced: ["done", "A newer cheque of the same payee says more."],
  reverted: ["bad", "The contract refused it; a person has to look. It is tried again."],
  expired: ["bad", "Its mandate ended before anybody redeemed it."],
};

export const verdictMeans: Record<Verdict, Meaning> = {
  pass: ["good", "Enough auditors got the right bytes."],
  fail: ["warn", "Unreachable, slow or silent: not paid."],
  data_fault: ["bad", "Wrong bytes: the lease and its holdback are lost."],
  accused: ["warn", "One auditor alone found wrong bytes: not paid; others are asked the same."],
  unaudited: ["done", "No auditor reported: not paid, and nobody's fault."],
};

export const outcomeMeans: Record<Outcome, Meaning> = {
  pass: ["good", "The right bytes came in time."],
  bad_data: ["bad", "Bytes came, and their hash is wrong."],
  withheld: ["bad", "It says that it has the piece, and refuses to send it."],
  timeout: ["warn", "Connected, and did not deliver in time."],
  unreachable: ["warn", "No connection, or no handshake."],
  auditor_fault: ["done", "The auditor could not do its work: it says nothing."],
};

/** orElse returns a reason, or what else to say when there is none. */
export const orElse = (reason: string | undefined, otherwise: string): string =>
  reason === undefined || reason === "" ? otherwise : reason;

/** reasonWords writes a reason for people: the codes in it are words with underscores. */
export const reasonWords = (reason: string): string =>
  reason.replace(/\b[a-z]+(_[a-z]+)+\b/g, (code) => code.replaceAll("_", " "));

/** percent writes basis points: "97.3 %". */
export const percent = (bps: number): string =>
  `${(bps / 100).toFixed(2).replace(/\.?0+$/, "")}\u00a0%`;

/** auditorWord is where an auditor stands, in one word: with the operator, or else by what it did. */
export const auditorWord = (a: Auditor): string =>
  a.state === "admitted" ? a.standing : a.state === "suspended" ? "barred" : a.state;

/** auditorMeans says what that means for who relies on it. */
export function auditorMeans(a: Auditor): Meaning {
  switch (a.state) {
    case "admitted":
      break;
    case "applied":
      return ["busy", "Registered; the operator has not answered yet."];
    case "paused":
      return ["done", "Wants no visits for a while."];
    case "left":
      return ["done", "Left the market."];
    default:
      return ["bad", "The operator lets it audit nothing."];
  }
  switch (a.standing) {
    case "vetted":
      return ["good", "Did enough visits over enough time."];
    case "new":
      return ["busy", "Is drawn like any other; it has yet to show itself."];
    case "suspended":
      return ["warn", "Did too little of what it was drawn for: no seat until it is back."];
    default:
      return ["bad", "Said what cannot be: no seat, for good."];
  }
}

/** byDuty sorts auditors by how much they did; those without a seat come last. */
export const byDuty = (a: Auditor, b: Auditor): number =>
  Number(b.state === "admitted") - Number(a.state === "admitted") || b.done - a.done || a.id - b.id;

/** done writes how many of its visits an auditor did. */
export const done = (a: Auditor): string =>
  a.due === 0 ? "none yet" : `${count(a.done)} of ${count(a.due)}`;

/** seenIn is the end of the newest epoch that an auditor reported in; epochs take so many ms. */
export function seenIn(a: Auditor, epoch: number): string | undefined {
  if (a.last_epoch === undefined || a.last_epoch === 0 || epoch === 0) return undefined;
  return new Date((a.last_epoch + 1) * epoch).toISOString();
}

/** windowWords tells what one visit in a quiet window measured. */
export function windowWords(w: Window): string {
  const words = [
    w.quiet ? "it served nobody else" : "it did not say that it serves nobody else",
    ...(w.served ? [] : ["not all blocks came before the window was over"]),
    ...pairWords(w),
  ];
  if (w.bytes > 0) words.push(`${size(w.bytes)} at once took ${short(w.took_us)}`);
  return words.join("; ");
}

/** windowsWords sums up an agent's quiet windows. */
export function windowsWords(w: Windows): string {
  const { good, bad } = w.served;
  const served = percent(Math.floor((10_000 * good) / (good + bad)));
  const words = [`${served} of the last served, of ${w.visits} ever`, ...pairWords(w)];
  if (w.rate > 0) words.push(`${size(w.rate)}/s when all replicas were asked at once`);
  return words.join("; ");
}

const pairWords = (w: { cold_us: number; warm_us: number }): string[] =>
  w.cold_us > 0 ? [`a block took ${short(w.cold_us)}, and ${short(w.warm_us)} once more`] : [];

/** verdictWord writes a verdict for people. */
export const verdictWord = (v: Verdict): string => reasonWords(v);

const ended = new Set<BountyState>(["completed", "cancelled", "expired"]);

/** isLive says whether a bounty still wants something. */
export const isLive = (b: Bounty): boolean => !ended.has(b.state);

/** atRisk says whether a live bounty has fewer proven replicas than it asks for. */
export const atRisk = (b: Bounty): boolean => isLive(b) && b.proven < b.terms.replicas;

/**
 * byRisk orders bounties by how near their torrent is to dying: the smallest proven share first,
 * then what lost a replica, then what waits for one, then the nearest end. Ended ones are last,
 * the newest first.
 */
export function byRisk(a: Bounty, b: Bounty): number {
  if (isLive(a) !== isLive(b)) return isLive(a) ? -1 : 1;
  if (!isLive(a)) return b.id - a.id;
  const proven = a.proven / a.terms.replicas - b.proven / b.terms.replicas;
  if (proven !== 0) return proven;
  const states: BountyState[] = ["degraded", "open", "unfunded", "filled"];
  const state = states.indexOf(a.state) - states.indexOf(b.state);
  if (state !== 0) return state;
  const end = (x: Bounty) => (told(x.ends_at) ? Date.parse(x.ends_at) : Infinity);
  return end(a) === end(b) ? a.id - b.id : end(a) - end(b);
}

/** tradable says whether a call may give an offer a new lease. */
export const tradable = (o: Offer): boolean =>
  o.state === "live" && (o.standing === "new" || o.standing === "vetted");

/** byAsk orders offers as a ladder: what a call could take, cheapest first, then the rest. */
export function byAsk(a: Offer, b: Offer): number {
  if (tradable(a) !== tradable(b)) return tradable(a) ? -1 : 1;
  return compare(a.terms.price_min, b.terms.price_min) || a.id - b.id;
}

/** signatureWords writes a signature like "7d/europe+asia/1000000" for people. */
export function signatureWords(signature: string): string {
  const [term = "", regions = "", least = ""] = signature.split("/");
  if (!/^\d+d$/.test(term) || !/^\d+$/.test(least)) return signature;
  const where = regions === "any" ? "anywhere" : regions.replaceAll("+", " or ");
  const speed = least === "0" ? "" : `, at least ${rate(Number(least))}`;
  return `up to ${term}, ${where}${speed}`;
}

/** A Deal is what one signature cleared at in one call. */
export interface Deal {
  call: number;
  at: number;
  signature: string;
  price: string;
  replicas: number;
}

/** deals returns every clearing of some calls, oldest first. */
export function deals(calls: readonly Call[]): Deal[] {
  return calls
    .flatMap((c) =>
      c.clearings.map((p) => ({
        call: c.id,
        at: Date.parse(c.at),
        signature: p.signature,
        price: p.price,
        replicas: p.replicas,
      })),
    )
    .sort((a, b) => a.at - b.at || a.call - b.call);
}

/** dealsCSV writes deals as a file for a spreadsheet, prices with every decimal. */
export function dealsCSV(all: readonly Deal[]): string {
  const quoted = (s: string) => `"${s.replaceAll('"', '""')}"`;
  const rows = all.map((d) =>
    [d.call, new Date(d.at).toISOString(), quoted(d.signature), d.price, d.replicas].join(","),
  );
  return ["call,at,signature,price_btt_per_gib_day,replicas", ...rows].join("\n") + "\n";
}

/** A Cell is one epoch of a proof strip; without a proof nobody was asked. */
export interface Cell {
  epoch: number;
  proof: Proof | undefined;
}

/** strip lays proofs out by epoch, oldest first, gaps included, ending with the newest epoch. */
export function strip(proofs: readonly Proof[], cells: number, newest?: number): Cell[] {
  if (proofs.length === 0) return [];
  const byEpoch = new Map(proofs.map((p) => [p.epoch, p]));
  const epochs = [...byEpoch.keys()];
  const last = newest ?? Math.max(...epochs);
  const first = Math.max(Math.min(...epochs), last - cells + 1);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => ({
    epoch: first + i,
    proof: byEpoch.get(first + i),
  }));
}

/** tally counts verdicts in words: "38 passed, 1 failed". */
export function tally(cells: readonly Cell[]): string {
  const words: Record<Verdict, string> = {
    pass: "passed",
    fail: "failed",
    data_fault: "data fault",
    accused: "accused",
    unaudited: "unaudited",
  };
  const said = (Object.keys(words) as Verdict[])
    .map((v) => [cells.filter((c) => c.proof?.verdict === v).length, words[v]] as const)
    .filter(([n]) => n > 0)
    .map(([n, word]) => `${n} ${word}${word === "data fault" && n > 1 ? "s" : ""}`);
  return said.length === 0 ? "no audits yet" : said.join(", ");
}

/** owing returns what the vault must be able to pay out: the four sides of the ledger. */
export function owing(s: {
  free: string;
  reserved: string;
  payable: string;
  held: string;
}): bigint {
  return units(s.free) + units(s.reserved) + units(s.payable) + units(s.held);
}
