import { useState } from "react";
import type { Proof } from "../api";
import { verdictMeans, verdictWord } from "../market";
import { marketTime } from "../now";
import { Account, Answer, At, Money, Section, State } from "../parts";
import { useBounties, useProofs } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { places } from "../words/amount";

/** ProofFeed shows verdicts as they come in. */
export function ProofFeed() {
  const proofs = useProofs({}, 24);
  const names = new Map(useBounties().data?.map((b) => [b.id, b.name]));
  return (
    <Section title="Proofs" note="As they come in, newest first. Earned in BTT." className="feed">
      <Answer of={proofs} what="Proofs">
        {(rows) => (
          <>
            <p className="unseen" aria-live="polite">
              {news(rows)}
            </p>
            <ProofTable rows={rows} caption="Newest proofs" nameOf={(p) => names.get(p.bounty)} />
          </>
        )}
      </Answer>
    </Section>
  );
}

/** news says the newest epoch in one sentence: a listener cannot follow rows that fly by. */
function news(rows: readonly Proof[]): string {
  const epoch = rows[0]?.epoch;
  if (epoch === undefined) return "";
  const those = rows.filter((p) => p.epoch === epoch);
  const passed = those.filter((p) => p.verdict === "pass").length;
  return `Epoch ${epoch}: ${passed} of ${those.length} replicas passed.`;
}

/** ProofTable lists proofs; without nameOf they are all of one bounty. */
export function ProofTable(props: {
  rows: readonly Proof[];
  caption: string;
  nameOf?: (p: Proof) => string | undefined;
}) {
  const { nameOf } = props;
  const [opened] = useState(marketTime);
  const fresh = (p: Proof) => (Date.parse(p.at) > opened ? " fresh" : "");
  const digits = Math.min(8, places(props.rows.map((p) => p.earned)));
  const columns: Column<Proof>[] = [
    { name: "Time", hint: "UTC", of: (p) => <At of={p.at} /> },
    {
      name: "Verdict",
      head: true,
      hint: "Leads to all that is behind it",
      of: (p) => (
        <Link to={`/proofs/${p.lease}/${p.epoch}`}>
          <State word={verdictWord(p.verdict)} means={verdictMeans[p.verdict]} />
        </Link>
      ),
    },
    {
      name: "Auditors",
      num: true,
      hint: "Passed of those that reported",
      of: (p) => `${p.passes}/${p.reports}`,
    },
    nameOf === undefined
      ? { name: "Epoch", num: true, from: "tablet", of: (p) => p.epoch }
      : {
          name: "Torrent",
          from: "tablet",
          of: (p) => (
            <Link to={`/bounties/${p.bounty}`} className="clip">
              <bdi>{nameOf(p) ?? `#${p.bounty}`}</bdi>
            </Link>
          ),
        },
    { name: "Agent", of: (p) => <Account of={p.agent} /> },
    {
      name: "Earned",
      hint: "BTT, held back part included",
      num: true,
      of: (p) => <Money of={p.earned} digits={digits} />,
    },
  ];
  return (
    <Ledger
      caption={props.caption}
      quiet
      columns={columns}
      rows={props.rows}
      keyOf={(p) => `${p.lease}.${p.epoch}`}
      rowClass={(p) => `proof ${p.verdict}${fresh(p)}`}
      empty="No epoch has been judged yet. The first verdicts come once an agent holds a torrent."
    />
  );
}
