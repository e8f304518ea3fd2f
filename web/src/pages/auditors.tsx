import type { Auditor } from "../api";
import { auditorMeans, auditorWord, byDuty, done, percent, seenIn } from "../market";
import { Account, Ago, Answer, Facts, Money, Section, State } from "../parts";
import { useAccount, useAuditors, useRules } from "../queries";
import { type Column, Ledger } from "../table";
import { amountOf, units } from "../words/amount";
import { count } from "../words/size";
import { span } from "../words/time";

/** AuditorsPage lists those whose word replicas are paid for. */
export function AuditorsPage() {
  const auditors = useAuditors();
  return (
    <>
      <h1>Auditors</h1>
      <p className="intro">
        They ask replicas for random parts over BitTorrent, as any downloader would, and sign what
        came. Each epoch draws some of them for every lease, by a secret that was promised before
        and a block of the chain. Those that sign cheques are named by the posters&rsquo; mandates;
        of the others at most one looks at a lease. Anyone may{" "}
        <code>everseed-auditor register</code>.
      </p>
      <Answer of={auditors} what="Auditors">
        {(rows) => (
          <>
            <Summary of={rows} />
            <Section
              title="All auditors"
              note="Scores follow from the public log, which anyone can replay"
            >
              <AuditorTable rows={[...rows].sort(byDuty)} />
            </Section>
          </>
        )}
      </Answer>
    </>
  );
}

function Summary({ of: rows }: { of: readonly Auditor[] }) {
  const rules = useRules().data?.rules;
  const seated = rows.filter((a) => a.state === "admitted" && (a.outlook?.drawn ?? true));
  const signing = seated.filter((a) => a.signs).length;
  return (
    <Facts
      of={[
        [
          "May be drawn",
          seated.length === 0
            ? "nobody yet"
            : `${count(seated.length)}, of whom ${count(signing)} sign cheques`,
        ],
        [
          "Asked for a lease",
          rules === undefined
            ? "–"
            : `${count(rules.auditors)} an epoch; ${count(rules.audit_quorum)} of them have to pass it`,
        ],
      ]}
    />
  );
}

function AuditorTable({ rows }: { rows: readonly Auditor[] }) {
  const epoch = span(useRules().data?.rules.epoch ?? "0s");
  const columns: readonly Column<Auditor>[] = [
    { name: "Auditor", head: true, of: (a) => <Who of={a} /> },
    { name: "Standing", of: (a) => <State word={auditorWord(a)} means={auditorMeans(a)} /> },
    {
      name: "Reputation",
      hint: "Falls when it says of a canary what cannot be, and when others refute it",
      num: true,
      label: "Reputation",
      of: (a) => (a.outlook === undefined ? "–" : percent(a.outlook.reputation.bps)),
    },
    {
      name: "Visits",
      hint: "Done, of those that it was drawn for",
      num: true,
      label: "Visits done",
      of: done,
    },
    {
      name: "Refuted",
      hint: "Accusations of its own that others, asked the same, did not find",
      num: true,
      label: "Refuted",
      of: (a) => count(a.refuted),
    },
    {
      name: "Capacity",
      hint: "Leases that it looks at in an epoch, at most",
      num: true,
      label: "Capacity",
      of: (a) => (a.terms.capacity >= 1_000_000 ? "any" : count(a.terms.capacity)),
    },
    {
      name: "Pay",
      hint: "All that its payee was credited, redeemed or not",
      num: true,
      label: "Pay, BTT",
      of: (a) => <Pay of={a.terms.payee} />,
    },
    {
      name: "Last seen",
      hint: "End of the newest epoch that it reported in",
      num: true,
      label: "Last seen",
      of: (a) => {
        const at = seenIn(a, epoch);
        return at === undefined ? <span className="quiet">never</span> : <Ago of={at} />;
      },
    },
  ];
  return (
    <Ledger
      caption="Auditors, those with most visits first"
      quiet
      stack
      columns={columns}
      rows={rows}
      keyOf={(a) => a.terms.auditor}
      rowClass={(a) => (a.state === "admitted" ? "" : "past")}
      empty="No auditor is registered. Nothing is proven or paid before one is."
    />
  );
}

function Who({ of: a }: { of: Auditor }) {
  return (
    <>
      <Account of={a.terms.auditor} plain />
      {a.terms.name !== undefined && a.terms.name !== "" && <> {a.terms.name}</>}
      {a.signs && <span className="quiet"> signs cheques</span>}
    </>
  );
}

function Pay({ of: payee }: { of: string }) {
  const account = useAccount(payee).data;
  if (account === undefined) return <>–</>;
  return <Money of={amountOf(units(account.payable) + units(account.redeemed))} digits={4} />;
}
