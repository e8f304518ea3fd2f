import { type Bounty, type Lease, Problem } from "../api";
import { Bar } from "../figures/bar";
import { Replicas } from "../figures/dots";
import { bountyMeans, isLive, leaseMeans, orElse } from "../market";
import { Account, Ago, Answer, At, Copyable, Facts, Money, PriceOf, Section, State, Until } from "../parts";
import { useBounty, useLeases, useProofs } from "../queries";
import { Link } from "../route";
import { type Moment, story } from "../story";
import { amountOf, places, share, units } from "../words/amount";
import { rate, size } from "../words/size";
import { told } from "../words/time";
import { LeaseTable } from "./leases";
import { ProofTable } from "./proofs";
import { Unknown } from "./unknown";

/** BountyPage shows one order: what it asks, who keeps it, what was proven and paid. */
export function BountyPage({ id }: { id: number }) {
  const bounty = useBounty(id);
  if (bounty.error instanceof Problem && bounty.error.status === 404) {
    return <Unknown what={`There is no bounty ${id} on this market.`} />;
  }
  return (
    <>
      <p className="crumbs"><Link to="/">Market</Link> <span aria-hidden="true">/</span> Bounty {id}</p>
      <Answer of={bounty} what={`Bounty ${id}`}>{(b) => <Found bounty={b} />}</Answer>
    </>
  );
}

function Found({ bounty: b }: { bounty: Bounty }) {
  const leases = useLeases({ bounty: b.id });
  const proofs = useProofs({ bounty: b.id });
  const means = bountyMeans[b.state];
  return (
    <>
      <h1><bdi>{b.name}</bdi></h1>
      <p className="headline">
        <State word={b.state} means={means} /> <span>{orElse(b.reason, means[1])}</span>
      </p>
      <div className="columns even top">
        <Terms of={b} />
        <Purse of={b} />
      </div>
      <Section title="Leases" note="One replica each. Money in BTT.">
        <Answer of={leases} what="Leases">
          {(rows) => (
            <LeaseTable caption="Leases of this bounty" by="agent" leases={rows} proofs={proofs.data ?? []}
              empty="No call has given a replica to an agent yet." />
          )}
        </Answer>
        <StripKey />
      </Section>
      <div className="columns">
        <Section title="Proofs" note="Newest first" className="feed">
          <Answer of={proofs} what="Proofs">
            {(rows) => <ProofTable rows={rows.slice(0, 40)} caption="Proofs of this bounty" />}
          </Answer>
        </Section>
        <Section title="What happened" note="Times in UTC">
          <Answer of={leases} what="Leases">{(rows) => <Story of={story(b, rows)} />}</Answer>
        </Section>
      </div>
    </>
  );
}

function Terms({ of: b }: { of: Bounty }) {
  const t = b.terms;
  return (
    <Section title="Terms">
      <Facts of={[
        ["Infohash", (
          <span key="i">
            <Copyable text={t.infohash} name="infohash" />{" "}
            <a href={`magnet:?xt=urn:btih:${t.infohash}&dn=${encodeURIComponent(b.name)}`}>Open in a client</a>
          </span>
        )],
        ["Size", b.billed === b.size ? size(b.size) : `${size(b.size)}, billed as ${size(b.billed)}`],
        ["Replicas", <Replicas key="r" proven={b.proven} leased={b.leased} wanted={t.replicas} />],
        ["Pays at most", <><PriceOf of={t.price_max} /> BTT per GiB-day and replica</>],
        ["Term", told(b.ends_at)
          ? <>{t.keep_for}, {isLive(b) ? <>ends in <Until of={b.ends_at} over="a moment" /></> : <>ended <Ago of={b.ends_at} /></>}</>
          : <>{t.keep_for} from the first proven replica</>],
        ["Regions", (t.regions ?? []).join(", ") || "anywhere"],
        ...((t.rate_min ?? 0) > 0 ? [["Upload rate", `at least ${rate(t.rate_min ?? 0)}`] as const] : []),
        ["Poster", <Account key="p" of={b.poster} plain />],
        ["Mandate", <code key="m" title={t.mandate}>{t.mandate.slice(0, 16)}…</code>],
        ["Posted", <Ago key="a" of={b.posted_at} />],
      ]} />
    </Section>
  );
}

function Purse({ of: b }: { of: Bounty }) {
  const all = amountOf(units(b.reserved) + units(b.spent));
  const digits = places([all]);
  return (
    <Section title="Money" note="BTT">
      <dl className="totals two">
        <div><dt>Still reserved</dt><dd><Money of={b.reserved} digits={digits} /></dd></div>
        <div><dt>Spent on proven time</dt><dd><Money of={b.spent} digits={digits} /></dd></div>
      </dl>
      <Bar label={`${b.spent} BTT spent, ${b.reserved} BTT reserved`} parts={[
        { name: "spent", share: share(b.spent, all), kind: "payable" },
        { name: "reserved", share: share(b.reserved, all), kind: "reserved" },
      ]} />
      <p className="quiet after">
        {isLive(b)
          ? "Only time between two passed audits is paid. What is not used goes back to the poster."
          : "What was not used went back to the poster."}
      </p>
    </Section>
  );
}

/** StripKey explains the shapes of a proof strip. */
export function StripKey() {
  return (
    <p className="key after" aria-hidden="true">
      <svg className="strip" viewBox="0 0 5 20" width="5" height="20"><g className="cell pass"><rect y="2" width="5" height="16" rx="1" /></g></svg> passed
      <svg className="strip" viewBox="0 0 5 20" width="5" height="20"><g className="cell fail"><rect y="11" width="5" height="7" rx="1" /></g></svg> failed
      <svg className="strip" viewBox="0 0 6 20" width="6" height="20"><g className="cell data_fault"><path d="M.5 7l4 6m0-6l-4 6" className="cross" /></g></svg> wrong data
      <svg className="strip" viewBox="0 0 5 20" width="5" height="20"><g className="cell unaudited"><circle cx="2.5" cy="15" r="1.9" className="hollow" /></g></svg> no report
      <svg className="strip" viewBox="0 0 5 20" width="5" height="20"><g className="cell gap"><circle cx="2.5" cy="16.5" r="1" /></g></svg> not audited
    </p>
  );
}

function Story({ of: moments }: { of: readonly Moment[] }) {
  return (
    <ol className="story">
      {moments.map((m) => (
        <li key={`${m.kind} ${m.lease?.id ?? ""}`}>
          <At of={m.at} /> <span><Told moment={m} /></span>
        </li>
      ))}
    </ol>
  );
}

function Told({ moment: m }: { moment: Moment }) {
  if (m.lease === undefined) return <>The poster put it up.</>;
  const l: Lease = m.lease;
  switch (m.kind) {
    case "given":
      return <>Call {l.call} gave a replica to <Account of={l.agent} /> at <PriceOf of={l.price} /> BTT.</>;
    case "proven":
      return <><Account of={l.agent} /> passed its first audit and began to earn.</>;
    default:
      return <>The lease of <Account of={l.agent} /> is {l.state}: {orElse(l.reason, leaseMeans[l.state][1])}</>;
  }
}
