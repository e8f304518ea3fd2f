import type { Bounty } from "../api";
import { Account, Money, Section } from "../parts";
import { type Column, Ledger } from "../table";
import { amountOf, places, share, units } from "../words/amount";

type Pledge = Bounty["funders"][number];

/** needs is what a bounty lacks to open, or "0". */
const needs = (b: Bounty) => b.needed ?? "0";

/** hasFunders says whether there is more to tell than that the poster pays. */
export const hasFunders = (b: Bounty) => b.funders.length > 1 || units(needs(b)) > 0n;

/** Funders lists who pays for a bounty, each pro rata to its pledge, and what is missing. */
export function Funders({ of: b }: { of: Bounty }) {
  const pledged = b.funders.reduce((sum, p) => sum + units(p.pledged), 0n);
  const whole = amountOf(pledged + units(needs(b)));
  const digits = places([whole]);
  const columns: Column<Pledge>[] = [
    { name: "Funder", of: (p) => <Account of={p.poster} plain />, head: true },
    { name: "Share", of: (p) => percent(share(p.pledged, whole)), num: true, label: "Share" },
    { name: "Pledged", of: (p) => <Money of={p.pledged} digits={digits} />, num: true },
    { name: "Drawn", of: (p) => <Money of={p.drawn} digits={digits} />, num: true, label: "Drawn" },
    {
      name: "Went back",
      of: (p) => <Money of={p.refunded} digits={digits} />,
      num: true,
      label: "Went back",
    },
  ];
  return (
    <Section title="Funders" note="Each pays, and gets back, pro rata to its pledge. BTT.">
      {units(needs(b)) > 0n && (
        <p className="after">
          <Money of={needs(b)} digits={digits} /> BTT are missing until it opens. Anybody may pledge
          them:{" "}
          <code>
            everseed bounty fund {b.id} {needs(b)}
          </code>
        </p>
      )}
      <Ledger
        caption="Funders of this bounty"
        quiet
        columns={columns}
        rows={b.funders}
        keyOf={(p) => `${p.poster} ${p.state}`}
        empty="Every pledge was taken back."
        stack
      />
    </Section>
  );
}

const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
