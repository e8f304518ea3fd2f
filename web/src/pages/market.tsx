import { useState } from "react";
import type { Bounty, Market, Offer } from "../api";
import { Bar } from "../figures/bar";
import { Replicas } from "../figures/dots";
import { atRisk, bountyMeans, byAsk, byRisk, isLive, tradable } from "../market";
import { Account, Ago, Answer, Money, PriceOf, Section, State, Until } from "../parts";
import { useBounties, useMarket, useOffers } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { places } from "../words/amount";
import { count, gib, rate, size } from "../words/size";
import { lasting, span, told } from "../words/time";
import { RecentCalls } from "./calls";
import { Clocks } from "./clocks";
import { ProofFeed } from "./proofs";
import { SolvencyLine } from "./solvency";

/** MarketPage is the first page: what is at risk, who offers, what cleared, what was proven. */
export function MarketPage() {
  const market = useMarket();
  return (
    <>
      <div className="lead">
        <h1 className="unseen">Market</h1>
        <Answer of={market} what="The market">
          {(m) => (
            <>
              <Headline market={m} />
              <Totals market={m} />
            </>
          )}
        </Answer>
        <Clocks />
        <SolvencyLine />
      </div>
      <Bounties />
      <div className="columns">
        <div>
          <Offers />
          <RecentCalls />
        </div>
        <ProofFeed />
      </div>
    </>
  );
}

function Headline({ market: m }: { market: Market }) {
  const bounties = useBounties().data ?? [];
  const risk = bounties.filter(atRisk).length;
  const live = new Set(bounties.filter(isLive).map((b) => b.terms.infohash)).size;
  if (m.wanted === 0) {
    return <p className="headline">No bounty is open. Nothing is being kept alive right now.</p>;
  }
  const torrents = live === 1 ? "1 torrent" : `${count(live)} torrents`;
  return (
    <p className="headline">
      <b>{count(m.proven)}</b> of <b>{count(m.wanted)}</b> wanted replicas of {torrents} are proven.{" "}
      {risk === 0 ? (
        "Nothing is at risk."
      ) : (
        <span className="at-risk">
          {risk === 1 ? "1 torrent is" : `${count(risk)} torrents are`} short.
        </span>
      )}
    </p>
  );
}

function Totals({ market: m }: { market: Market }) {
  const digits = places([m.reserved, m.earned, m.redeemed]);
  return (
    <dl className="totals">
      <div>
        <dt>Live replicas</dt>
        <dd data-total="proven">{count(m.proven)}</dd>
      </div>
      <div>
        <dt>Kept alive</dt>
        <dd data-total="kept_alive">
          {gib(m.kept_alive)} <small>GiB</small>
        </dd>
      </div>
      <div>
        <dt>Free storage</dt>
        <dd>
          {gib(m.free_storage)} <small>GiB</small>
        </dd>
      </div>
      <div>
        <dt>Reserved</dt>
        <dd>
          <Money of={m.reserved} digits={Math.min(4, digits)} /> <small>BTT</small>
        </dd>
      </div>
      <div>
        <dt>Earned</dt>
        <dd data-total="earned">
          <Money of={m.earned} digits={Math.min(4, digits)} /> <small>BTT</small>
        </dd>
      </div>
      <div>
        <dt>Paid on chain</dt>
        <dd data-total="redeemed">
          <Money of={m.redeemed} digits={Math.min(4, digits)} /> <small>BTT</small>
        </dd>
      </div>
      <div title="Median, from the last passed epoch of a lost replica to the first of its replacement">
        <dt>Lost replica replaced in</dt>
        <dd data-total="replaced">
          {m.replaced.count === 0 ? "–" : lasting(span(m.replaced.median))}{" "}
          {m.replaced.count > 0 && <small>9 in 10: {lasting(span(m.replaced.p90))}</small>}
        </dd>
      </div>
      <div title="Bytes on the wire, both ways, that auditors ask of a replica in a day">
        <dt>Audits cost a replica</dt>
        <dd data-total="audit_wire">
          {m.audit_wire === 0 ? "–" : size(m.audit_wire)} {m.audit_wire > 0 && <small>a day</small>}
        </dd>
      </div>
    </dl>
  );
}

function Bounties() {
  const bounties = useBounties();
  const [past, setPast] = useState(false);
  const all = bounties.data ?? [];
  const live = all.filter(isLive).length;
  const ended = all.length - live;
  const shown = (b: Bounty) => past || live === 0 || isLive(b);
  return (
    <Section
      title="Bounties"
      className="bounties"
      note={
        <>
          At risk first.{" "}
          {ended > 0 && live > 0 && (
            <label className="check">
              <input type="checkbox" checked={past} onChange={(e) => setPast(e.target.checked)} />
              Show {count(ended)} ended
            </label>
          )}
        </>
      }
    >
      <Answer of={bounties} what="Bounties">
        {(rows) => <BountyTable rows={rows.filter(shown).sort(byRisk)} />}
      </Answer>
    </Section>
  );
}

function BountyTable({ rows }: { rows: readonly Bounty[] }) {
  const digits = places(rows.flatMap((b) => [b.reserved, b.spent]));
  const columns: Column<Bounty>[] = [
    {
      name: "Torrent",
      head: true,
      of: (b) => (
        <div className="named">
          <Link to={`/bounties/${b.id}`}>
            <bdi>{b.name}</bdi>
          </Link>
          <small>
            <span>#{b.id}</span> <span>{size(b.size)}</span>{" "}
            <code title={b.terms.infohash}>{b.terms.infohash.slice(0, 10)}</code>
          </small>
        </div>
      ),
    },
    { name: "State", of: (b) => <State word={b.state} means={bountyMeans[b.state]} /> },
    {
      name: "Replicas",
      hint: "Proven of wanted",
      of: (b) => <ReplicasOf bounty={b} />,
    },
    {
      name: "Pays at most",
      hint: "BTT per GiB-day and replica",
      num: true,
      from: "tablet",
      of: (b) => <PriceOf of={b.terms.price_max} />,
    },
    {
      name: "Reserved",
      hint: "BTT",
      num: true,
      from: "desktop",
      of: (b) => <Money of={b.reserved} digits={digits} />,
    },
    {
      name: "Spent",
      hint: "BTT",
      num: true,
      from: "tablet",
      of: (b) => <Money of={b.spent} digits={digits} />,
    },
    { name: "Ends in", num: true, of: (b) => <Ends of={b} /> },
  ];
  return (
    <Ledger
      caption="Bounties, those at risk first; money in BTT"
      quiet
      stack
      columns={columns}
      rows={rows}
      keyOf={(b) => b.id}
      rowClass={(b) => (atRisk(b) ? "risk" : isLive(b) ? "" : "past")}
      empty={
        <>
          No bounty is open. A poster puts one up with <code>everseed bounty post</code>.
        </>
      }
    />
  );
}

/** Replaced says how long lost replicas were missing. */
export function Replaced({ of: r }: { of: Market["replaced"] }) {
  const took = (of: string) => lasting(span(of));
  return (
    <>
      {count(r.count)} replaced, the last one after {took(r.last)}; half within {took(r.median)},
      nine in ten within {took(r.p90)}
    </>
  );
}

/** ReplicasOf draws what a bounty has of what it wants; an ended one wants nothing any more. */
export function ReplicasOf({ bounty: b }: { bounty: Bounty }) {
  if (!isLive(b)) return <span className="replicas quiet">{b.terms.replicas} wanted</span>;
  return <Replicas proven={b.proven} leased={b.leased} wanted={b.terms.replicas} />;
}

function Ends({ of: b }: { of: Bounty }) {
  if (!isLive(b))
    return told(b.ends_at) ? <Ago of={b.ends_at} /> : <span className="quiet">–</span>;
  if (told(b.ends_at))
    return (
      <>
        <span className="stacked">ends in </span>
        <Until of={b.ends_at} over="settling" />
      </>
    );
  return (
    <span className="quiet" title="The term begins with the first proven replica">
      {b.terms.keep_for} from proof
    </span>
  );
}

function Offers() {
  const offers = useOffers();
  return (
    <Section title="Offers" note="Cheapest first. Prices in BTT per GiB-day.">
      <Answer of={offers} what="Offers">
        {(rows) => <OfferTable rows={rows.filter((o) => o.state !== "closed").sort(byAsk)} />}
      </Answer>
    </Section>
  );
}

function OfferTable({ rows }: { rows: readonly Offer[] }) {
  const deepest = Math.max(1, ...rows.map((o) => o.terms.storage));
  const columns: Column<Offer>[] = [
    {
      name: "Ask",
      num: true,
      hint: "Least BTT per GiB-day",
      of: (o) => <PriceOf of={o.terms.price_min} />,
    },
    {
      name: "Free",
      hint: "Storage left of what is for sale",
      of: (o) => {
        const free = Math.max(0, o.terms.storage - o.used);
        return (
          <div className="depth">
            <span>{size(free)}</span>
            <Bar
              label={`${size(free)} free of ${size(o.terms.storage)}`}
              parts={[
                { name: "free", share: free / deepest, kind: "free" },
                {
                  name: "leased",
                  share: Math.min(o.used, o.terms.storage) / deepest,
                  kind: "used",
                },
              ]}
            />
          </div>
        );
      },
    },
    { name: "Upload", num: true, from: "desktop", of: (o) => rate(o.terms.upload_rate) },
    { name: "Region", from: "tablet", of: (o) => <span className="region">{o.terms.region}</span> },
    { name: "Standing", of: (o) => <Standing of={o} /> },
    { name: "Leases", num: true, from: "tablet", of: (o) => count(o.leases) },
    { name: "Agent", head: true, of: (o) => <Account of={o.agent} /> },
  ];
  return (
    <Ledger
      caption="Offers, cheapest first"
      quiet
      columns={columns}
      rows={rows}
      keyOf={(o) => o.id}
      rowClass={(o) => (tradable(o) ? "" : "past")}
      empty={
        <>
          No agent offers storage yet. <Link to="/run-an-agent">Run the first one.</Link>
        </>
      }
    />
  );
}

/** Standing says what the market knows of an agent, and when its offer is not live. */
export function Standing({ of: o }: { of: Offer }) {
  if (o.state !== "live")
    return <State word={o.state} means={["done", "The offer gets no new leases."]} />;
  switch (o.standing) {
    case "vetted":
      return <State word="vetted" means={["good", "Enough passed audits over enough time."]} />;
    case "new":
      return <State word="new" means={["busy", "Few leases at a time until it is vetted."]} />;
    default:
      return <State word={o.standing} means={["bad", "Gets no leases."]} />;
  }
}
