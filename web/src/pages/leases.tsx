import type { Lease, Proof, Verdict } from "../api";
import { ProofStrip, StripShape } from "../figures/strip";
import { leaseMeans, reasonWords } from "../market";
import { Account, Money, PriceOf, State, Until } from "../parts";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { places } from "../words/amount";
import { lasting, told } from "../words/time";

/** LeaseTable lists leases with their proof strips: by agent for a bounty, by bounty for an agent. */
export function LeaseTable(props: {
  caption: string;
  leases: readonly Lease[];
  proofs: readonly Proof[];
  by: "agent" | "bounty";
  nameOf?: (l: Lease) => string | undefined;
  empty: string;
}) {
  const digits = Math.min(8, places(props.leases.flatMap((l) => [l.earned, l.held])));
  const newest = props.proofs.reduce((n, p) => Math.max(n, p.epoch), 0);
  const live = (l: Lease) => ["reserved", "fetching", "proving", "active", "grace"].includes(l.state);
  const columns: Column<Lease>[] = [
    {
      name: props.by === "agent" ? "Agent" : "Torrent", head: true,
      of: (l) => (
        <div className="named">
          {props.by === "agent" ? <Account of={l.agent} /> : (
            <Link to={`/bounties/${l.bounty}`}><bdi>{props.nameOf?.(l) ?? `bounty ${l.bounty}`}</bdi></Link>
          )}
          <small>lease {l.id}, call {l.call}</small>
        </div>
      ),
    },
    {
      name: "State",
      of: (l) => (
        <div className="named">
          <State word={l.state} means={leaseMeans[l.state]} />
          {(l.reason ?? "") !== "" && <small className="reason">{reasonWords(l.reason ?? "")}</small>}
        </div>
      ),
    },
    {
      name: "Audits, an epoch each",
      of: (l) => {
        const own = props.proofs.filter((p) => p.lease === l.id);
        return <ProofStrip proofs={own} {...(live(l) ? { newest } : {})} />;
      },
    },
    {
      name: "Passed", hint: "Epochs passed, and failed", label: "passed", num: true,
      of: (l) => <>{l.passed}{l.missed > 0 && <small className="missed"> −{l.missed}</small>}</>,
    },
    { name: "Price", hint: "BTT per GiB-day", num: true, from: "desktop", of: (l) => <PriceOf of={l.price} /> },
    { name: "Proven for", num: true, from: "desktop", of: (l) => lasting(l.verified * 1000) },
    { name: "Earned", hint: "BTT, held back part included", label: "earned", num: true, of: (l) => <Money of={l.earned} digits={digits} /> },
    { name: "Held back", hint: "BTT of it, paid at the end", num: true, from: "tablet", of: (l) => <Money of={l.held} digits={digits} /> },
    {
      name: "Ends in", num: true, from: "desktop",
      of: (l) => (told(l.ended_at) ? <span className="quiet">ended</span> : <Until of={l.ends_at} over="settling" />),
    },
  ];
  return (
    <Ledger caption={props.caption} quiet stack columns={columns} rows={props.leases} keyOf={(l) => l.id}
      rowClass={(l) => (live(l) ? "" : "past")} empty={props.empty} />
  );
}

/** StripKey explains the shapes of a proof strip. */
export function StripKey() {
  return (
    <p className="key after" aria-hidden="true">
      <Shape verdict="pass" /> <Shape verdict="fail" /> <Shape verdict="data_fault" />{" "}
      <Shape verdict="unaudited" /> <Shape verdict="gap" />
    </p>
  );
}

function Shape({ verdict }: { verdict: Verdict | "gap" }) {
  const words = {
    pass: "passed", fail: "failed", data_fault: "wrong data", unaudited: "no report", gap: "not audited",
  };
  return (
    <span>
      <svg className={`strip cell ${verdict}`} viewBox="0 0 6 20" width="6" height="20">
        <StripShape x={0} verdict={verdict} />
      </svg>
      {words[verdict]}
    </span>
  );
}
