import type { Lease, Proof, Verdict } from "../api";
import { ProofStrip, StripShape } from "../figures/strip";
import { leaseMeans, reasonWords } from "../market";
import { Account, Money, PriceOf, State, Until } from "../parts";
import { useRules } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { places } from "../words/amount";
import { size } from "../words/size";
import { lasting, span, told } from "../words/time";

interface Props {
  caption: string;
  leases: readonly Lease[];
  proofs: readonly Proof[];
  by: "agent" | "bounty";
  nameOf?: (l: Lease) => string | undefined;
  empty: string;
}

/** LeaseTable lists leases with their proof strips: by agent of a bounty, by bounty of an agent. */
export function LeaseTable(props: Props) {
  const epoch = useRules().data?.rules.epoch;
  return (
    <Ledger
      caption={props.caption}
      quiet
      stack
      columns={[...dutyColumns(props), ...payColumns(props.leases, epoch)]}
      rows={props.leases}
      keyOf={(l) => l.id}
      rowClass={(l) => (binds(l) ? "" : "past")}
      empty={props.empty}
    />
  );
}

const binds = (l: Lease) =>
  ["reserved", "fetching", "proving", "active", "grace"].includes(l.state);

/** dutyColumns say who keeps what, and how well. */
function dutyColumns({ by, proofs, nameOf }: Props): Column<Lease>[] {
  const newest = proofs.reduce((n, p) => Math.max(n, p.epoch), 0);
  const name = (l: Lease) =>
    by === "agent" ? (
      <Account of={l.agent} />
    ) : (
      <Link to={`/bounties/${l.bounty}`}>
        <bdi>{nameOf?.(l) ?? `bounty ${l.bounty}`}</bdi>
      </Link>
    );
  return [
    {
      name: by === "agent" ? "Agent" : "Torrent",
      head: true,
      of: (l) => (
        <div className="named">
          {name(l)}
          <small>
            lease {l.id}, call {l.call}
          </small>
        </div>
      ),
    },
    {
      name: "State",
      of: (l) => (
        <div className="named">
          <State word={l.state} means={leaseMeans[l.state]} />
          {(l.reason ?? "") !== "" && (
            <small className="reason">{reasonWords(l.reason ?? "")}</small>
          )}
          {l.dropping === true && (
            <small className="reason">forecast to miss again: another agent is called</small>
          )}
        </div>
      ),
    },
    {
      name: "Audits, an epoch each",
      of: (l) => {
        const own = proofs.filter((p) => p.lease === l.id);
        return <ProofStrip proofs={own} {...(binds(l) ? { newest } : {})} />;
      },
    },
    {
      name: "Passed",
      hint: "Epochs passed, and failed",
      label: "passed",
      num: true,
      of: (l) => (
        <>
          {l.passed}
          {l.missed > 0 && <small className="missed"> −{l.missed}</small>}
        </>
      ),
    },
  ];
}

/** payColumns say what was earned for it. */
function payColumns(leases: readonly Lease[], epoch: string | undefined): Column<Lease>[] {
  const digits = Math.min(8, places(leases.flatMap((l) => [l.earned, l.held])));
  return [
    {
      name: "Price",
      hint: "BTT per GiB-day",
      num: true,
      from: "desktop",
      of: (l) => <PriceOf of={l.price} />,
    },
    { name: "Proven for", num: true, from: "desktop", of: (l) => lasting(l.verified * 1000) },
    {
      name: "Earned",
      hint: "BTT, held back part included",
      label: "earned",
      num: true,
      of: (l) => <Money of={l.earned} digits={digits} />,
    },
    {
      name: "Held back",
      hint: "BTT of it, paid at the end",
      num: true,
      from: "tablet",
      of: (l) => <Money of={l.held} digits={digits} />,
    },
    {
      name: "Audits",
      hint: "Bytes on the wire that audits cost it in a day",
      num: true,
      from: "desktop",
      of: (l) =>
        epoch === undefined || l.audited === 0 ? (
          <span className="quiet">–</span>
        ) : (
          <>{size((l.wire / l.audited) * (86_400_000 / span(epoch)))}/d</>
        ),
    },
    { name: "Ends in", num: true, from: "desktop", of: (l) => <Ends of={l} /> },
  ];
}

function Ends({ of: l }: { of: Lease }) {
  if (told(l.ended_at)) return <span className="quiet">ended</span>;
  return <Until of={l.ends_at} over="settling" />;
}

/** StripKey explains the shapes of a proof strip. */
export function StripKey() {
  return (
    <p className="key after" aria-hidden="true">
      <Shape verdict="pass" /> <Shape verdict="fail" /> <Shape verdict="data_fault" />{" "}
      <Shape verdict="accused" /> <Shape verdict="unaudited" /> <Shape verdict="gap" />
    </p>
  );
}

function Shape({ verdict }: { verdict: Verdict | "gap" }) {
  const words = {
    pass: "passed",
    fail: "failed",
    data_fault: "wrong data",
    accused: "accused",
    unaudited: "no report",
    gap: "not audited",
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
