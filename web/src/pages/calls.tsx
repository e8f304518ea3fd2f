import { useMemo } from "react";
import type { Call } from "../api";
import { PriceChart } from "../figures/chart";
import { type Deal, deals, dealsCSV, reasonWords, signatureWords } from "../market";
import { Account, Ago, Answer, At, PriceOf, Section } from "../parts";
import { useCalls, useOffers } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { count } from "../words/size";

const dealColumns: Column<Deal>[] = [
  { name: "Call", num: true, head: true, of: (d) => `#${d.call}` },
  { name: "Time", hint: "UTC", of: (d) => <At of={new Date(d.at).toISOString()} /> },
  {
    name: "Signature",
    hint: "What a bounty asks for: term, regions, least upload rate",
    of: (d) => signatureWords(d.signature),
  },
  { name: "Replicas", num: true, of: (d) => count(d.replicas) },
  { name: "Cleared at", hint: "BTT per GiB-day", num: true, of: (d) => <PriceOf of={d.price} /> },
];

/** RecentCalls is the chart of clearing prices with the last trades below it. */
export function RecentCalls() {
  const calls = useCalls(100);
  const found = useMemo(() => deals(calls.data?.pages.flatMap((p) => p.items) ?? []), [calls.data]);
  return (
    <Section
      title="Clearing prices"
      className="calls"
      note={
        <>
          BTT per GiB-day. <Link to="/calls">All calls</Link>
        </>
      }
    >
      <Answer of={calls} what="Calls">
        {() => <Deals of={found} shown={6} />}
      </Answer>
    </Section>
  );
}

function Deals({ of: found, shown }: { of: readonly Deal[]; shown: number }) {
  if (found.length === 0) {
    return (
      <p className="empty">
        No call has traded yet. A price forms when a bounty and an offer cross.
      </p>
    );
  }
  return (
    <>
      <PriceChart deals={found} />
      <Ledger
        caption="Last clearing prices"
        quiet
        columns={dealColumns}
        rows={found.slice(-shown).reverse()}
        keyOf={(d) => `${d.call} ${d.signature}`}
        empty=""
      />
      <Download deals={found} />
    </>
  );
}

/** Download gives every charted price as a file. */
function Download({ deals: all }: { deals: readonly Deal[] }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([dealsCSV(all)], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "everseed-clearing-prices.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return (
    <p className="after">
      <button type="button" className="small" onClick={save}>
        Save {count(all.length)} {all.length === 1 ? "price" : "prices"} as CSV
      </button>
    </p>
  );
}

/** CallsPage lists every call with what it gave to whom. */
export function CallsPage() {
  const calls = useCalls(100);
  const all = useMemo(() => calls.data?.pages.flatMap((p) => p.items) ?? [], [calls.data]);
  return (
    <>
      <h1>Calls</h1>
      <p className="intro">
        A call freezes the book, gives every bounty its next replica from the cheapest offer that
        fits, and charges one price per signature. Each call carries the hashes of its book and of
        the call before, so none can be changed afterwards.
      </p>
      <Answer of={calls} what="Calls">
        {() => (
          <>
            <Section title="Clearing prices" note="BTT per GiB-day">
              <Deals of={deals(all)} shown={12} />
            </Section>
            <Section title="Every call that traded" note="Newest first">
              <CallTable rows={all} />
              {calls.hasNextPage && (
                <p className="after">
                  <button
                    type="button"
                    disabled={calls.isFetchingNextPage}
                    onClick={() => void calls.fetchNextPage()}
                  >
                    Older calls
                  </button>
                </p>
              )}
            </Section>
          </>
        )}
      </Answer>
    </>
  );
}

function CallTable({ rows }: { rows: readonly Call[] }) {
  const agents = new Map(useOffers().data?.map((o) => [o.id, o.agent]));
  const columns: Column<Call>[] = [
    { name: "Call", head: true, num: true, of: (c) => `#${count(c.id)}` },
    {
      name: "Time",
      hint: "UTC",
      of: (c) => (
        <>
          <At of={c.at} />{" "}
          <small>
            <Ago of={c.at} />
          </small>
        </>
      ),
    },
    {
      name: "Bounties",
      num: true,
      from: "tablet",
      hint: "that took part",
      of: (c) => count(c.bounties),
    },
    {
      name: "Offers",
      num: true,
      from: "tablet",
      hint: "that took part",
      of: (c) => count(c.offers),
    },
    { name: "Fills", of: (c) => <Fills of={c} agents={agents} /> },
    {
      name: "Hash",
      from: "desktop",
      hint: "of the call before, the frozen book and the fills",
      of: (c) => <code title={c.hash}>{c.hash.slice(0, 12)}</code>,
    },
  ];
  return (
    <Ledger
      caption="Calls, newest first"
      quiet
      columns={columns}
      rows={rows}
      keyOf={(c) => c.id}
      empty="No call has traded yet. Calls that give nothing to anyone are not recorded."
    />
  );
}

function Fills({ of: call, agents }: { of: Call; agents: ReadonlyMap<number, string> }) {
  const { fills } = call;
  if (fills.length === 0) return <span className="quiet">none</span>;
  return (
    <ul className="fills">
      {fills.map((f) => (
        <li key={`${f.bounty}.${f.offer}`}>
          <Link to={`/bounties/${f.bounty}`}>bounty {f.bounty}</Link> to{" "}
          {agents.has(f.offer) ? <Account of={agents.get(f.offer) ?? ""} /> : `offer ${f.offer}`} at{" "}
          <PriceOf of={f.price} />
          {(f.replaces ?? 0) > 0 && (
            <small>
              {" "}
              for lease {f.replaces}: {reasonWords(f.why ?? "")}
            </small>
          )}
        </li>
      ))}
    </ul>
  );
}
