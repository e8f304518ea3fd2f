import { describe, expect, test } from "vitest";
import type { Auditor, Bounty, BountyState, Call, Offer, Proof, Verdict } from "./api";
import {
  atRisk,
  auditorMeans,
  auditorWord,
  byAsk,
  byDuty,
  byRisk,
  deals,
  dealsCSV,
  done,
  owing,
  percent,
  seenIn,
  signatureWords,
  strip,
  tally,
  windowWords,
  windowsWords,
} from "./market";

function bounty(id: number, state: BountyState, proven: number, ends = ""): Bounty {
  return {
    id,
    state,
    proven,
    leased: proven,
    name: `b${id}`,
    poster: "",
    size: 1,
    billed: 1,
    reserved: "0",
    spent: "0",
    funders: [],
    replaced: { count: 0, last: "0", median: "0", p90: "0" },
    posted_at: "",
    good_till: "",
    ends_at: ends,
    terms: {
      instrument: "keepalive",
      infohash: "",
      replicas: 4,
      price_max: "1",
      keep_for: "1d",
      mandate: "",
    },
  };
}

test("what is nearest to dying comes first, what has ended comes last", () => {
  const book = [
    bounty(1, "completed", 0),
    bounty(2, "filled", 4, "2026-01-01T00:00:09Z"),
    bounty(3, "open", 2),
    bounty(4, "degraded", 2),
    bounty(5, "filled", 4, "2026-01-01T00:00:05Z"),
    bounty(6, "degraded", 0),
    bounty(7, "expired", 0),
  ];
  expect(book.sort(byRisk).map((b) => b.id)).toEqual([6, 4, 3, 5, 2, 7, 1]);
});

test("an ended bounty is not at risk, a filled one without proofs is", () => {
  expect(atRisk(bounty(1, "completed", 0))).toBe(false);
  expect(atRisk(bounty(1, "filled", 3))).toBe(true);
  expect(atRisk(bounty(1, "filled", 4))).toBe(false);
});

const call = (id: number, at: string, ...prices: [string, string][]): Call => ({
  id,
  at,
  previous: "",
  input: "",
  hash: "",
  bounties: 1,
  offers: 1,
  fills: [],
  clearings: prices.map(([signature, price]) => ({ signature, price, replicas: 2 })),
});

test("deals are in the order of time and leave calls without trade out", () => {
  const found = deals([
    call(3, "2026-01-01T00:00:03Z", ["1d", "5"]),
    call(2, "2026-01-01T00:00:02Z"),
    call(1, "2026-01-01T00:00:01Z", ["1d", "4"], ["7d", "3"]),
  ]);
  expect(found.map((d) => [d.call, d.price])).toEqual([
    [1, "4"],
    [1, "3"],
    [3, "5"],
  ]);
});

test("the CSV keeps every decimal and quotes signatures", () => {
  const csv = dealsCSV(
    deals([call(7, "2026-01-01T00:00:01Z", ['1d "a",b', "0.000000000000000001"])]),
  );
  expect(csv.split("\n")[1]).toBe('7,2026-01-01T00:00:01.000Z,"1d ""a"",b",0.000000000000000001,2');
});

const proof = (epoch: number, verdict: Verdict): Proof => ({
  lease: 1,
  bounty: 1,
  agent: "",
  epoch,
  verdict,
  passes: 3,
  reports: 3,
  seconds: 5,
  earned: "0",
  from: "0",
  wire: 0,
  at: "",
});

test("a strip shows gaps, ends with the newest epoch and forgets the oldest", () => {
  const proofs = [proof(10, "pass"), proof(12, "fail"), proof(13, "pass")];
  expect(strip(proofs, 10).map((c) => c.proof?.verdict)).toEqual([
    "pass",
    undefined,
    "fail",
    "pass",
  ]);
  expect(strip(proofs, 2).map((c) => c.epoch)).toEqual([12, 13]);
  expect(strip(proofs, 3, 15).map((c) => c.epoch)).toEqual([13, 14, 15]);
  expect(strip([], 10)).toEqual([]);
});

test("a tally says each verdict that occurred", () => {
  const cells = strip([proof(1, "pass"), proof(2, "pass"), proof(3, "data_fault")], 9);
  expect(tally(cells)).toBe("2 passed, 1 data fault");
  expect(tally([])).toBe("no audits yet");
});

const auditor = (id: number, of: Partial<Auditor>): Auditor => ({
  id,
  terms: { auditor: `T${id}`, payee: `P${id}`, capacity: 10, at: "" },
  state: "admitted",
  standing: "new",
  signs: false,
  due: 0,
  done: 0,
  refuted: 0,
  registered_at: "",
  moved_at: "",
  ...of,
});

test("an auditor's word is the operator's where that keeps it from auditing", () => {
  const words = [
    auditor(1, { standing: "vetted" }),
    auditor(2, { standing: "disqualified" }),
    auditor(3, { standing: "suspended" }),
    auditor(4, { state: "suspended", standing: "vetted" }),
    auditor(5, { state: "paused", standing: "vetted" }),
    auditor(6, { state: "applied" }),
  ].map((a) => [auditorWord(a), auditorMeans(a)[0]]);
  expect(words).toEqual([
    ["vetted", "good"],
    ["disqualified", "bad"],
    ["suspended", "warn"],
    ["barred", "bad"],
    ["paused", "done"],
    ["applied", "busy"],
  ]);
});

test("auditors without a seat come last, and who did most first", () => {
  const all = [
    auditor(1, { state: "left", done: 90 }),
    auditor(2, { done: 3 }),
    auditor(3, { done: 50 }),
    auditor(4, { done: 3 }),
  ];
  expect(all.sort(byDuty).map((a) => a.id)).toEqual([3, 2, 4, 1]);
});

test("an auditor was seen when the last epoch that it reported in ended", () => {
  expect(seenIn(auditor(1, { last_epoch: 9 }), 5000)).toBe("1970-01-01T00:00:50.000Z");
  expect(seenIn(auditor(1, {}), 5000)).toBeUndefined();
  expect(seenIn(auditor(1, { last_epoch: 9 }), 0)).toBeUndefined();
  expect(done(auditor(1, { due: 1200, done: 1199 }))).toBe("1,199 of 1,200");
  expect(done(auditor(1, {}))).toBe("none yet");
});

test("what the vault owes is exact", () => {
  expect(owing({ free: "0.1", reserved: "0.2", payable: "0.000000000000000001", held: "1" })).toBe(
    1300000000000000001n,
  );
});

test("signatures are told in words, unknown ones as they are", () => {
  expect(signatureWords("7d/any/0")).toBe("up to 7d, anywhere");
  expect(signatureWords("30d/asia+europe/1000000")).toBe(
    "up to 30d, asia or europe, at least 8.0\u00a0Mbit/s",
  );
  expect(signatureWords("delivery/x")).toBe("delivery/x");
});

test("the cheapest offer that a call could take is first; a suspended one never is", () => {
  const offer = (id: number, price_min: string, state: string, standing: string) =>
    ({ id, state, standing, terms: { price_min } }) as Offer;
  const ladder = [
    offer(1, "1", "live", "suspended"),
    offer(2, "10", "live", "new"),
    offer(3, "9", "live", "vetted"),
    offer(4, "2", "paused", "vetted"),
  ];
  expect(ladder.sort(byAsk).map((o) => o.id)).toEqual([3, 2, 1, 4]);
});

test("basis points are written as per cents without idle zeros", () => {
  expect([10_000, 9730, 9999, 5, 0].map(percent)).toEqual(
    ["100", "97.3", "99.99", "0.05", "0"].map((n) => `${n}\u00a0%`),
  );
});

describe("quiet windows", () => {
  const none = { quiet: true, served: true, cold_us: 0, warm_us: 0, bytes: 0, took_us: 0 };
  test("tell what was measured and no more", () => {
    expect(windowWords(none)).toBe("it served nobody else");
    expect(
      windowWords({
        ...none,
        quiet: false,
        served: false,
        cold_us: 9000,
        warm_us: 800,
        bytes: 4 << 20,
        took_us: 2e6,
      }),
    ).toBe(
      "it did not say that it serves nobody else; not all blocks came before the window was over; a block took 9.0\u00a0ms, and 0.8\u00a0ms once more;" +
        " 4.00\u00a0MiB at once took 2.00\u00a0s",
    );
  });
  test("are summed up by their score", () => {
    const of = { visits: 12, served: { good: 3, bad: 1 }, cold_us: 0, warm_us: 0, rate: 0 };
    expect(windowsWords(of)).toBe("75\u00a0% of the last served, of 12 ever");
    expect(windowsWords({ ...of, rate: 2 << 20 })).toContain("2.00\u00a0MiB/s when all replicas");
  });
});
