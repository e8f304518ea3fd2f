// Invented standings for the pretend market.
const gauge = (bps, warn_bps, min_bps, costs) => ({ bps, warn_bps, min_bps, failures: 9, costs });
/** outlook is how the market sees an agent: the fourth is warned, the eighth suspended. */
export const outlook = (i, vetFrom) => ({
  standing: i < 5 ? "vetted" : i === 7 ? "suspended" : "new",
  leases_max: 0,
  new_leases: i !== 7,
  reputation: gauge(10_000, 9500, 9000, "disqualified: no new leases, for good"),
  uptime: gauge(
    i === 3 ? 7421 : i === 7 ? 5120 : 9987,
    8000,
    6000,
    "suspended: no new leases until it is back",
  ),
  drop_bps: i === 3 ? 6712 : 0,
  passed: 212,
  vet_audits: 100,
  vet_from: vetFrom,
  next: "nothing, while it goes on like this",
  warnings:
    i === 3
      ? [
          {
            kind: "uptime",
            detail:
              "uptime is 74.21 %; 4 more tries in a row that find it away or slow and it is below" +
              " 60.00 %, and then suspended: no new leases until it is back. Check the line",
          },
        ]
      : undefined,
});

/** auditors are seven: three that sign, the fifth said what cannot be, two have no seat. */
export const auditors = (account, before, epoch) =>
  [0, 1, 2, 3, 4, 5, 6].map((i) => ({
    id: i + 1,
    terms: {
      auditor: account(`a${i + 1}`),
      payee: account(`auditor purse ${i}`),
      capacity: i < 3 ? 1_000_000 : [400, 25, 1200, 60][i - 3],
      name: ["", "", "", "Uni Leipzig library", "", "Kite & Sons", "tiny"][i],
      at: before(4e8),
    },
    state: i === 5 ? "applied" : i === 6 ? "paused" : "admitted",
    signs: i < 3,
    standing: i < 3 ? "vetted" : i === 4 ? "disqualified" : "new",
    due: [4120, 4077, 4101, 912, 240, 0, 66][i],
    done: [4120, 4071, 4101, 905, 240, 0, 60][i],
    refuted: [0, 0, 0, 1, 3, 0, 0][i],
    ...(i === 5
      ? {}
      : {
          last_epoch: epoch - [1, 1, 1, 1, 700, 0, 9000][i],
          outlook: {
            drawn: i !== 4,
            reputation: gauge(
              i === 4 ? 8912 : 10_000,
              9500,
              9000,
              "disqualified: no seats, for good",
            ),
            uptime: gauge(9987, 8000, 6000, "suspended: no seats until it is back"),
            next: "nothing, while it goes on like this",
          },
        }),
    registered_at: before(4e8),
    moved_at: before(4e8),
  }));
