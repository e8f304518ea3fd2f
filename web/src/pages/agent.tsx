import type { Offer, SignedCheque } from "../api";
import { Bar } from "../figures/bar";
import { chequeMeans } from "../market";
import { Account, Ago, Answer, Copyable, Facts, Money, PriceOf, Section, State } from "../parts";
import { useAccount, useBounties, useCheques, useLeases, useOffers, useProofs } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { places } from "../words/amount";
import { rate, size } from "../words/size";
import { LeaseTable, StripKey } from "./leases";
import { Outlooks } from "./standing";

/** AgentPage shows one agent: what it offers, what it keeps, what it was paid. */
export function AgentPage({ address }: { address: string }) {
  const offers = useOffers();
  const leases = useLeases({ agent: address });
  const proofs = useProofs({ agent: address });
  const names = new Map(useBounties().data?.map((b) => [b.id, b.name]));
  const offer = offers.data?.find((o) => o.agent === address);
  const payee = offer?.terms.payee ?? leases.data?.[0]?.payee ?? "";
  return (
    <>
      <p className="crumbs">
        <Link to="/">Market</Link> <span aria-hidden="true">/</span> Agent
      </p>
      <h1 className="address">
        <Copyable text={address} name="address" />
      </h1>
      <div className="columns even top">
        <Section title="Offer">
          <Answer of={offers} what="Offers">
            {() =>
              offer === undefined ? (
                <p className="empty">This account has no offer.</p>
              ) : (
                <Terms of={offer} />
              )
            }
          </Answer>
        </Section>
        <div>
          {offer !== undefined && <Outlooks of={offer} />}
          <Earnings payee={payee || address} />
        </div>
      </div>
      <Section title="Leases" note="Newest first. Money in BTT.">
        <Answer of={leases} what="Leases">
          {(rows) => (
            <LeaseTable
              caption="Leases of this agent"
              by="bounty"
              leases={rows}
              proofs={proofs.data ?? []}
              nameOf={(l) => names.get(l.bounty)}
              empty="It never had a lease."
            />
          )}
        </Answer>
        <StripKey />
      </Section>
      <Cheques payee={payee || address} />
    </>
  );
}

function Terms({ of: o }: { of: Offer }) {
  const t = o.terms;
  const free = Math.max(0, t.storage - o.used);
  return (
    <Facts
      of={[
        [
          "Asks at least",
          <>
            <PriceOf of={t.price_min} /> BTT per GiB-day
          </>,
        ],
        [
          "Storage",
          <div className="depth" key="d">
            <span>
              {size(free)} free of {size(t.storage)}
            </span>
            <Bar
              label={`${size(free)} free of ${size(t.storage)}`}
              parts={[{ name: "leased", share: Math.min(1, o.used / t.storage), kind: "payable" }]}
            />
          </div>,
        ],
        ["Leases", `${o.leases} of at most ${t.leases_max}`],
        ["Upload", rate(t.upload_rate)],
        ["Largest torrent", size(t.torrent_max)],
        ["Longest term", t.term_max],
        ["Region", t.region],
        ["Last seen", <Ago key="a" of={o.seen_at} />],
        ...((o.reason ?? "") === "" ? [] : [["Why not more", o.reason] as const]),
      ]}
    />
  );
}

function Earnings({ payee }: { payee: string }) {
  const account = useAccount(payee);
  return (
    <Section
      title="Pay"
      note={
        <>
          BTT to <Account of={payee} plain />;{" "}
          <a href={`/v1/accounts/${payee}/statement.csv`} download>
            every movement as CSV
          </a>
        </>
      }
    >
      <Answer of={account} what="The payee's account">
        {(a) => {
          const digits = Math.min(8, places([a.held, a.payable, a.redeemed]));
          return (
            <dl className="totals two">
              <div>
                <dt>Held back</dt>
                <dd>
                  <Money of={a.held} digits={digits} />
                </dd>
              </div>
              <div>
                <dt>Earned, not yet on chain</dt>
                <dd>
                  <Money of={a.payable} digits={digits} />
                </dd>
              </div>
              <div>
                <dt>Paid on chain</dt>
                <dd>
                  <Money of={a.redeemed} digits={digits} />
                </dd>
              </div>
            </dl>
          );
        }}
      </Answer>
    </Section>
  );
}

function Cheques({ payee }: { payee: string }) {
  const cheques = useCheques(payee);
  return (
    <Section
      title="Cheques"
      note="Each says everything ever earned from one poster; only the newest counts."
    >
      <Answer of={cheques} what="Cheques">
        {(rows) => <ChequeTable rows={rows} />}
      </Answer>
    </Section>
  );
}

/** ChequeStands says how far a cheque is and, when it does not move on, why and what would help. */
function ChequeStands({ of: c }: { of: SignedCheque }) {
  return (
    <>
      <State word={c.state} means={chequeMeans[c.state]} />
      {c.wait !== undefined && (
        <small title={`${c.wait.detail}. ${c.wait.next}`}>
          waits: {c.wait.reason.replaceAll("_", " ")}
        </small>
      )}
    </>
  );
}

function ChequeTable({ rows }: { rows: readonly SignedCheque[] }) {
  const digits = Math.min(8, places(rows.map((c) => c.cheque.cumulative)));
  const columns: Column<SignedCheque>[] = [
    { name: "Cheque", num: true, head: true, of: (c) => `#${c.id}` },
    { name: "State", of: (c) => <ChequeStands of={c} /> },
    {
      name: "Cumulative",
      hint: "BTT",
      num: true,
      of: (c) => <Money of={c.cheque.cumulative} digits={digits} />,
    },
    { name: "Signatures", num: true, from: "tablet", of: (c) => c.signers?.length ?? 0 },
    { name: "From", from: "tablet", of: (c) => <Account of={c.cheque.from} plain /> },
    {
      name: "Transaction",
      from: "desktop",
      of: (c) =>
        (c.tx ?? "") === "" ? (
          <span className="quiet">–</span>
        ) : (
          <code title={c.tx}>{c.tx?.slice(0, 16)}…</code>
        ),
    },
    { name: "Drafted", num: true, of: (c) => <Ago of={c.drafted_at} /> },
  ];
  return (
    <Ledger
      caption="Cheques to this payee, newest first"
      quiet
      columns={columns}
      rows={rows}
      keyOf={(c) => c.id}
      rowClass={(c) => (c.state === "replaced" ? "past" : "")}
      empty="No cheque has been drafted for it yet."
    />
  );
}
