// The nouns of a pretend market, invented in the shape of the API, for fixture.mjs.
import { createHash } from "node:crypto";
import { auditors, outlook } from "./outlook.mjs";

/** empty is a market in which nothing has happened yet. */
export const empty = process.argv.includes("--empty");

const epochMS = 5000;
const hex = (seed, n = 64) => createHash("sha256").update(String(seed)).digest("hex").slice(0, n);
const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const account = (seed) =>
  "T" +
  [...createHash("sha512").update(seed).digest()]
    .slice(0, 33)
    .map((b) => letters[b % 58])
    .join("");
export const at = (ms) => new Date(ms).toISOString();
// Amounts here are invented, so floating point will do; eighteen decimals as the market writes
// them.
const btt = (n) => n.toFixed(12).replace(/\.?0+$/, "");

const start = Date.now();
const poster = account("poster");
const MiB = 2 ** 20;
const GiB = 2 ** 30;

const regions = [
  "europe",
  "north-america",
  "asia",
  "europe",
  "south-america",
  "oceania",
  "europe",
  "africa",
];
const offers = regions.map((region, i) => ({
  id: i + 1,
  agent: account(`agent${i}`),
  state: i === 6 ? "paused" : "live",
  standing: i < 5 ? "vetted" : i === 7 ? "suspended" : "new",
  used: 0,
  leases: 0,
  posted_at: at(start - 9e6),
  seen_at: at(start - 3000),
  outlook: outlook(i, at(start - 9e8)),
  together: i === 3 ? [{ agent: account("agent4"), score_bps: 4545 }] : undefined,
  reason: i === 5 ? "your offer is 8 % above the last clearing price" : "",
  terms: {
    storage: [200, 100, 500, 64, 300, 1000, 50, 80][i] * GiB,
    upload_rate: [2.5e6, 1.25e6, 12.5e6, 5e6, 2.5e6, 25e6, 1e6, 2e6][i],
    leases_max: 100,
    price_min: ["310", "355", "402.5", "415", "490", "610", "700", "120"][i],
    term_max: "90d",
    torrent_max: 50 * GiB,
    region,
    payee: account(`payee${i}`),
  },
}));

const bounty = (id, name, size, replicas, price, state, proven, leased, endsIn) => ({
  id,
  poster,
  name,
  size,
  billed: Math.max(size, 64 * MiB),
  state,
  proven,
  leased,
  reason: "",
  reserved: btt((size / GiB) * price * replicas * 7 * 0.61),
  spent: btt((size / GiB) * price * replicas * 7 * 0.4),
  replaced:
    id === 2
      ? { count: 3, last: "12h20m0s", median: "11h40m0s", p90: "18h5m0s" }
      : { count: 0, last: "0s", median: "0s", p90: "0s" },
  funders: [],
  posted_at: at(start - 3e8),
  good_till: at(start + 3e8),
  ends_at: endsIn && at(start + endsIn),
  terms: {
    instrument: "keepalive",
    infohash: hex(`ih${id}`, 40),
    replicas,
    price_max: btt(price),
    keep_for: "7d",
    mandate: hex(`m${id}`),
    good_for: "7d",
    ...(id === 4 ? { regions: ["europe", "asia"], rate_min: 1e6 } : {}),
  },
});
const bounties = empty
  ? []
  : [
      bounty(
        1,
        "Wikimedia Commons, Kreuzfahrt der Valdivia 1898 (scans, 600 dpi)",
        18.2 * GiB,
        3,
        520,
        "filled",
        3,
        3,
        9e6,
      ),
      bounty(2, "debian-4.0r9-m68k-full", 21.4 * GiB, 3, 450, "degraded", 1, 2, 4.1e8),
      bounty(3, "Открытые лекции, МГУ 2004", 3.9 * GiB, 2, 600, "filled", 1, 2, 5.9e8),
      bounty(4, "open-street-map-planet-2012-09-12.osm.bz2", 24.6 * GiB, 5, 405, "open", 0, 3, 0),
      bounty(5, "public-domain-78rpm-transfers-vol-17", 64 * MiB, 3, 900, "filled", 3, 3, 47e3),
      bounty(6, "usenet-archive-comp-1991-1996", 8.1 * GiB, 12, 380, "filled", 9, 11, 8e8),
      bounty(7, "noaa-tide-gauges-1971-1999", 1.2 * GiB, 2, 300, "completed", 0, 0, -7e6),
      bounty(8, "gutenberg-mirror-2003-dvd", 4.4 * GiB, 2, 40, "expired", 0, 0, 0),
    ];
bounties.forEach((b) => {
  if (!b.ends_at) delete b.ends_at;
});
if (!empty) {
  bounties[1].reason =
    "lost the replica of an agent that stayed away for longer than the grace of 4s";
  bounties[7].reason = "best eligible ask 310, you bid 40";
}

const leases = [];
const proofs = [];
let lease = 0;
for (const b of bounties.slice(0, 7)) {
  for (let r = 0; r < b.leased; r++) {
    const o = offers[(r + b.id) % 6];
    o.used += b.size;
    o.leases++;
    leases.push({
      id: ++lease,
      bounty: b.id,
      offer: o.id,
      call: 10 + b.id,
      poster,
      mandate: b.terms.mandate,
      agent: o.agent,
      payee: o.terms.payee,
      peer: o.terms.peer,
      infohash: b.terms.infohash,
      size: b.size,
      billed: b.billed,
      price: b.terms.price_max,
      state: r < b.proven ? "active" : ["fetching", "proving"][r % 2],
      reserved_at: at(start - 300e3 + r * 700),
      active_at: r < b.proven ? at(start - 250e3 + r * 900) : "0001-01-01T00:00:00Z",
      ends_at: b.ends_at,
      keep_for: "7d",
      verified: 0,
      earned: "0",
      held: "0",
      passed: 0,
      missed: 0,
      audited: 44,
      wire: 44 * 131_072,
      ...(b.id === 2 && r === 0 ? { replaces: 99, replaced_after: "12h20m0s" } : {}),
      ...(b.id === 2 && r === 1 ? { dropping: true } : {}),
      seed: r,
    });
  }
}
if (!empty) {
  leases.push({
    ...leases[3],
    id: leases.length + 1,
    agent: offers[5].agent,
    state: "failed",
    reason: "data_fault: wrong bytes in piece 118",
    passed: 17,
    missed: 3,
    verified: 85,
    earned: "4.2",
    held: "0",
    ended_at: at(start - 60e3),
    dead: true,
  });
}
const sums = { earned: 0, redeemed: 1204.5 };

export function judge(epoch, now) {
  for (const l of leases.filter((x) => x.state === "active" || x.state === "grace")) {
    const dice = parseInt(hex(`${l.id}.${epoch}`, 4), 16) % 100;
    const verdict = dice < 3 ? "fail" : dice === 3 ? "unaudited" : "pass";
    const earned = verdict === "pass" ? ((l.billed / GiB) * Number(l.price) * 5) / 86400 : 0;
    l.passed += verdict === "pass";
    l.missed += verdict === "fail";
    l.state = verdict === "fail" ? "grace" : "active";
    l.verified += verdict === "pass" ? 5 : 0;
    l.earned = btt(Number(l.earned) + earned);
    l.held = btt(Number(l.earned) / 4);
    sums.earned += earned;
    proofs.unshift({
      lease: l.id,
      bounty: l.bounty,
      agent: l.agent,
      epoch,
      verdict,
      passes: verdict === "pass" ? 3 - (dice % 2) : verdict === "fail" ? 1 : 0,
      reports: verdict === "unaudited" ? 0 : 3,
      seconds: 5,
      earned: btt(earned),
      wire: 131_072,
      at: at(now),
    });
  }
}
export const epochNow = () => Math.floor(Date.now() / epochMS);
if (!empty) for (let k = epochNow() - 44; k < epochNow(); k++) judge(k, (k + 1) * epochMS + 400);
for (let k = 0; k < 20 && !empty; k++) {
  const l = leases.find((x) => x.dead);
  proofs.push({
    lease: l.id,
    bounty: l.bounty,
    agent: l.agent,
    epoch: epochNow() - 33 - k,
    verdict: k === 0 ? "data_fault" : "pass",
    passes: k ? 3 : 0,
    reports: 3,
    seconds: 5,
    earned: k ? "0.2" : "0",
    at: at(start - 165e3 - k * 5000),
  });
}

const signatures = ["7d/any/0", "30d/asia+europe/1000000"];
export const calls = [];
export const call = (id, when) => {
  const fills = id % 3 === 0 ? [] : [{ bounty: 1 + (id % 6), offer: 1 + (id % 5), price: "0" }];
  if (id % 4 === 1 && fills.length > 0)
    Object.assign(fills[0], {
      replaces: 99,
      why: "missed the audit of an epoch, and its forecast is that it misses the next one",
    });
  const price = btt(Math.round((402 + 22 * Math.sin(id / 4) + (id % 5) * 4) * 100) / 100);
  for (const f of fills) f.price = price;
  return {
    id,
    previous: hex(`call${id - 1}`),
    input: hex(`in${id}`),
    hash: hex(`call${id}`),
    at: at(when),
    bounties: 5,
    offers: 6,
    fills,
    clearings:
      fills.length === 0
        ? []
        : [{ signature: signatures[id % 7 === 0 ? 1 : 0], price, replicas: 1 + (id % 4) }],
  };
};
for (let i = 1; i <= 60 && !empty; i++) calls.unshift(call(i, start - (60 - i) * 5000));

const cheques = (payee) =>
  ["owed", "solid", "replaced", "replaced"].map((state, i) => ({
    id: 90 - i,
    state,
    cheque: {
      from: poster,
      mandate: hex("m1"),
      to: payee,
      cumulative: btt(12.5 - i * 2.2),
      bytes: 0,
    },
    signers: state === "owed" ? [] : [account("a1"), account("a2")],
    tx: state === "solid" ? hex("tx") : "",
    drafted_at: at(Date.now() - i * 61e3),
  }));

const market = () => ({
  at: at(Date.now()),
  epoch: epochNow(),
  bounties: {},
  wanted: sum(live(), (b) => b.terms.replicas),
  leased: sum(live(), (b) => b.leased),
  proven: sum(live(), (b) => b.proven),
  kept_alive: sum(live(), (b) => b.proven * b.size),
  offers: 6,
  free_storage: sum(offers, (o) => o.terms.storage - o.used),
  reserved: btt(sum(live(), (b) => Number(b.reserved))),
  earned: btt(sums.earned),
  redeemed: btt(sums.redeemed),
  replaced: empty
    ? { count: 0, last: "0s", median: "0s", p90: "0s" }
    : { count: 41, last: "12h20m0s", median: "11h40m0s", p90: "18h5m0s" },
  audit_wire: empty ? 0 : 1_572_864,
  last_call: calls[0] ?? null,
  clearings: calls.find((c) => c.clearings.length > 0)?.clearings ?? [],
});
const live = () => bounties.filter((b) => !["completed", "expired", "cancelled"].includes(b.state));
const sum = (all, of) => all.reduce((n, x) => n + of(x), 0);

function solvency() {
  const reserved = sum(live(), (b) => Number(b.reserved));
  const [free, payable, held] = [52000, sums.earned * 0.75, sums.earned * 0.25];
  const micro = [free, reserved, payable, held].map((n) => BigInt(Math.round(n * 1e6)));
  const amount = (m) => `${m / 1000000n}.${String(m % 1000000n).padStart(6, "0")}`;
  const all = amount(micro.reduce((a, b) => a + b));
  return {
    block: 71204331 + Math.floor((Date.now() - start) / 3000),
    vault: all,
    ledger: all,
    token: all,
    free: amount(micro[0]),
    reserved: amount(micro[1]),
    payable: amount(micro[2]),
    held: amount(micro[3]),
    difference: "",
    frozen: false,
    compared_at: at(Date.now() - 1500),
    ledger_debit: "184220.5",
    ledger_credit: "184220.5",
  };
}

const rules = {
  rules: {
    call_every: "5s",
    accept_deadline: "10s",
    notice: "8s",
    epoch: "5s",
    one_owner_bps: 4000,
    grace: "4s",
    auditors: 3,
    audit_quorum: 2,
    challenges: 8,
    holdback_bps: 2500,
    fee_bps: 100,
    billed_min: 64 * MiB,
    redeem_fee_bps: 200,
    redeem_after: "7d",
  },
  chain_id: 3448148188,
  vault: account("vault"),
  token: account("token"),
  auditors: ["a1", "a2", "a3"].map(account),
  quorum: 2,
  fee_payee: account("fee"),
};

export function answer(url) {
  const q = url.searchParams;
  const some = (all, limit = 200) => ({
    items: all.slice(0, Number(q.get("limit") ?? limit)),
    next: "",
  });
  const by = (all) =>
    all.filter(
      (x) =>
        (!q.has("bounty") || x.bounty === Number(q.get("bounty"))) &&
        (!q.has("agent") || x.agent === q.get("agent")),
    );
  const [, , noun, id] = url.pathname.split("/");
  switch (noun) {
    case "market":
      return market();
    case "rules":
      return rules;
    case "solvency":
      return solvency();
    case "bounties":
      return id ? bounties.find((b) => b.id === Number(id)) : some([...bounties].reverse());
    case "offers":
      return some(empty ? [] : offers);
    case "auditors":
      return some(empty ? [] : auditors(account, (ago) => at(start - ago), epochNow()).reverse());
    case "leases":
      return some(by(leases));
    case "proofs":
      return some(by(proofs));
    case "calls":
      return some(calls);
    case "cheques":
      return some(empty ? [] : cheques(q.get("payee")));
    case "accounts":
      return {
        address: id,
        free: "0",
        reserved: "0",
        thawing: "0",
        spent: "0",
        payable: "3.3",
        held: "3.125",
        redeemed: "10.3",
      };
  }
}
