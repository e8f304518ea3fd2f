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
