import { type Bounty, type Lease, Problem } from "../api";
import { Bar } from "../figures/bar";
import { bountyMeans, isLive, leaseMeans, orElse, reasonWords } from "../market";
import {
  Account,
  Ago,
  Answer,
  Copyable,
  Facts,
  Money,
  On,
  PriceOf,
  Section,
  State,
  Until,
} from "../parts";
import { useBounty, useLeases, useProofs } from "../queries";
import { Link } from "../route";
import { type Moment, story } from "../story";
import { amountOf, places, share, units } from "../words/amount";
import { rate, size } from "../words/size";
import { lasting, span, told } from "../words/time";
import { Funders, hasFunders } from "./funders";
import { LeaseTable, StripKey } from "./leases";
import { Replaced, ReplicasOf } from "./market";
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
      <p className="crumbs">
        <Link to="/">Market</Link> <span aria-hidden="true">/</span> Bounty {id}
      </p>
      <Answer of={bounty} what={`Bounty ${id}`}>
        {(b) => <Found bounty={b} />}
      </Answer>
    </>
  );
}

function Found({ bounty: b }: { bounty: Bounty }) {
  const leases = useLeases({ bounty: b.id });
  const proofs = useProofs({ bounty: b.id });
  const means = bountyMeans[b.state];
  return (
    <>
      <h1>
        <bdi>{b.name}</bdi>
      </h1>
      <p className="headline">
        <State word={b.state} means={means} />{" "}
        <span>{reasonWords(orElse(b.reason, means[1]))}</span>
      </p>
      <div className="columns even top">
        <Terms of={b} />
        <div>
          <Purse of={b} />
          {hasFunders(b) && <Funders of={b} />}
          <Section title="What happened" note="Newest first, times in UTC">
            <Answer of={leases} what="Leases">
              {(rows) => <Story of={story(b, rows)} />}
            </Answer>
          </Section>
        </div>
      </div>
      <Section title="Leases" note="One replica each. Money in BTT.">
        <Answer of={leases} what="Leases">
          {(rows) => (
            <LeaseTable
              caption="Leases of this bounty"
              by="agent"
              leases={rows}
              proofs={proofs.data ?? []}
              empty="No call has given a replica to an agent yet."
            />
          )}
        </Answer>
        <StripKey />
      </Section>
      <Section title="Proofs" note="Newest first. Earned in BTT." className="feed">
        <Answer of={proofs} what="Proofs">
          {(rows) => <ProofTable rows={rows.slice(0, 24)} caption="Proofs of this bounty" />}
        </Answer>
      </Section>
    </>
  );
}

function Terms({ of: b }: { of: Bounty }) {
  const t = b.terms;
  return (
    <Section title="Terms">
      <Facts
        of={[
          ["Infohash", <Copyable key="i" text={t.infohash} name="infohash" />],
          [
            "Download",
            <span key="d" className="ways">
              <a href={`magnet:?xt=urn:btih:${t.infohash}&dn=${encodeURIComponent(b.name)}`}>
                Magnet link
              </a>
              <a href={`/v1/torrents/${t.infohash}/metainfo`} download>
                .torrent file
              </a>
            </span>,
          ],
          [
            "Size",
            b.billed === b.size ? size(b.size) : `${size(b.size)}, billed as ${size(b.billed)}`,
          ],
          ["Replicas", <ReplicasOf key="r" bounty={b} />],
          [
            "Pays at most",
            <>
              <PriceOf of={t.price_max} /> BTT per GiB-day and replica
            </>,
          ],
          [
            "Term",
            told(b.ends_at) ? (
              <>
                {t.keep_for},{" "}
                {isLive(b) ? (
                  <>
                    ends in <Until of={b.ends_at} over="a moment" />
                  </>
                ) : (
                  <>
                    ended <Ago of={b.ends_at} />
                  </>
                )}
              </>
            ) : (
              <>{t.keep_for} from the first proven replica</>
            ),
          ],
          ...(b.replaced.count > 0
            ? [["Lost replicas", <Replaced key="l" of={b.replaced} />] as const]
            : []),
          ["Regions", (t.regions ?? []).join(", ") || "anywhere"],
          ...((t.rate_min ?? 0) > 0
            ? [["Upload rate", `at least ${rate(t.rate_min ?? 0)}`] as const]
            : []),
          ["Poster", <Account key="p" of={b.poster} plain />],
          [
            "Mandate",
            <code key="m" title={t.mandate}>
              {t.mandate.slice(0, 16)}…
            </code>,
          ],
          ["Posted", <Ago key="a" of={b.posted_at} />],
        ]}
      />
    </Section>
  );
}

function Purse({ of: b }: { of: Bounty }) {
  const all = amountOf(units(b.reserved) + units(b.spent));
  const digits = places([all]);
  return (
    <Section title="Money" note="BTT">
      <dl className="totals two">
        <div>
          <dt>Still reserved</dt>
          <dd>
            <Money of={b.reserved} digits={digits} />
          </dd>
        </div>
        <div>
          <dt>Spent on proven time</dt>
          <dd>
            <Money of={b.spent} digits={digits} />
          </dd>
        </div>
      </dl>
      <Bar
        label={`${b.spent} BTT spent, ${b.reserved} BTT reserved`}
        parts={[
          { name: "spent", share: share(b.spent, all), kind: "payable" },
          { name: "reserved", share: share(b.reserved, all), kind: "reserved" },
        ]}
      />
      <p className="quiet after">
        {isLive(b)
          ? "Only time between two passed audits is paid. What is not used goes back to who pledged it."
          : "What was not used went back to who pledged it."}
      </p>
    </Section>
  );
}

/** storyMax is how many moments are told at once; a long-lived bounty has many. */
const storyMax = 9;

function Story({ of: moments }: { of: readonly Moment[] }) {
  const list = (some: readonly Moment[]) => (
    <ol className="story">
      {some.map((m) => (
        <li key={`${m.kind} ${m.lease?.id ?? ""}`}>
          <On of={m.at} />{" "}
          <span>
            <Told moment={m} />
          </span>
        </li>
      ))}
    </ol>
  );
  return (
    <>
      {list(moments.slice(0, storyMax))}
      {moments.length > storyMax && (
        <details className="after">
          <summary>{moments.length - storyMax} earlier</summary>
          {list(moments.slice(storyMax))}
        </details>
      )}
    </>
  );
}

const endings: Partial<Record<Lease["state"], string>> = {
  completed: "kept it to the end",
  released: "was released",
  failed: "failed",
};

function Told({ moment: m }: { moment: Moment }) {
  if (m.lease === undefined) return <>The poster put it up.</>;
  const l: Lease = m.lease;
  switch (m.kind) {
    case "given":
      return (
        <>
          Call {l.call} gave{" "}
          {(l.replaces ?? 0) > 0 ? <>the replica of lease {l.replaces}</> : "a replica"} to{" "}
          <Account of={l.agent} /> at <PriceOf of={l.price} /> BTT.
        </>
      );
    case "proven":
      return (
        <>
          <Account of={l.agent} /> was proven and began to earn
          {told(l.active_at) && (l.replaced_after ?? "") !== "" && (
            <>: the replica was missing for {lasting(span(l.replaced_after ?? ""))}</>
          )}
          .
        </>
      );
    default:
      return (
        <>
          <Account of={l.agent} /> {endings[l.state] ?? "ended"}
          {l.state === "completed"
            ? "."
            : `: ${reasonWords(orElse(l.reason, leaseMeans[l.state][1]))}`}
        </>
      );
  }
}
