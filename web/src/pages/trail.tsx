import { Fragment } from "react";
import type { Answer as Answered, Report, SignedCheque, Trail, Visit } from "../api";
import {
  chequeMeans,
  outcomeMeans,
  reasonWords,
  verdictMeans,
  verdictWord,
  windowWords,
} from "../market";
import { Account, Answer, At, Copyable, Facts, Money, Section, State } from "../parts";
import { useTrail } from "../queries";
import { Link } from "../route";
import { type Column, Ledger } from "../table";
import { size } from "../words/size";
import { moment, told } from "../words/time";

/** TrailPage shows everything behind one epoch's pay for one lease. */
export function TrailPage({ lease, epoch }: { lease: number; epoch: number }) {
  return (
    <Answer of={useTrail(lease, epoch)} what="The trail">
      {(t) => (
        <>
          <p className="crumbs">
            <Link to="/">Market</Link> <span aria-hidden="true">/</span>{" "}
            <Link to={`/bounties/${t.bounty}`}>Bounty {t.bounty}</Link>{" "}
            <span aria-hidden="true">/</span> Proof
          </p>
          <h1>
            Lease {t.lease}, epoch {t.epoch}
          </h1>
          <Found of={t} />
          <Chance of={t} />
          <Visits of={t} />
          <Pay of={t} />
          <Check of={t} />
        </>
      )}
    </Answer>
  );
}

function Found({ of: t }: { of: Trail }) {
  return (
    <Section title="What was found" note="And what it pays">
      <Facts
        of={[
          [
            "Verdict",
            t.verdict === undefined ? (
              "not judged yet"
            ) : (
              <State key="v" word={verdictWord(t.verdict)} means={verdictMeans[t.verdict]} />
            ),
          ],
          ["Passed by", `${t.passes} of ${t.visits.length} auditors`],
          ["Pays", <Money key="m" of={t.earned} unit />],
          ["For", `${t.seconds} s, from ${moment(t.begins)} to ${moment(t.ends)}`],
          [
            "Bounty",
            <Link key="b" to={`/bounties/${t.bounty}`}>
              {t.bounty}
            </Link>,
          ],
          ["Agent", <Account key="a" of={t.agent} />],
          ["Torrent", <Copyable key="i" text={t.infohash} name="infohash" />],
        ]}
      />
    </Section>
  );
}

function Chance({ of: t }: { of: Trail }) {
  return (
    <Section
      title="Chance"
      note="Who asks what follows from a secret that was promised before, and a block that came after"
    >
      <Facts
        of={[
          ["Promised", told(t.promised_at) ? moment(t.promised_at) : "not before the epoch"],
          ["SHA-256 of the secret", <Copyable key="c" text={t.commit} name="commitment" />],
          [
            "Secret",
            t.secret === undefined ? (
              "shown when the epoch is over"
            ) : (
              <Copyable key="s" text={t.secret} name="secret" />
            ),
          ],
          [`Block ${t.block}`, <Copyable key="h" text={t.block_hash} name="block hash" />],
        ]}
      />
    </Section>
  );
}

/** Visits shows each auditor that was drawn, with what it asked and what came. */
function Visits({ of: t }: { of: Trail }) {
  return (
    <Section
      title="Auditors"
      note="Each committed to its report before anybody could read another's"
    >
      {t.visits.length === 0 && (
        <p className="empty">Who was drawn is shown once the epoch takes no more reports.</p>
      )}
      {t.visits.map((v) => (
        <VisitBlock key={v.auditor} of={v} />
      ))}
    </Section>
  );
}

function VisitBlock({ of: v }: { of: Visit }) {
  const r = v.report;
  return (
    <article className="visit">
      <h3>
        <Account of={v.auditor} plain />{" "}
        {r === undefined ? (
          "never reported"
        ) : (
          <State word={reasonWords(r.outcome)} means={outcomeMeans[r.outcome]} />
        )}
      </h3>
      <Facts
        of={[
          ["Due from", times(v.planned)],
          ...(r === undefined
            ? []
            : [
                [
                  "Tries",
                  `${r.tries.map(reasonWords).join(", ")}, the last at ${moment(r.at)}`,
                ] as const,
                ["Came by", cameBy(r)] as const,
                ["Bytes", `${size(r.bytes)} of content, ${size(r.wire)} on the wire`] as const,
                ...(r.window === undefined
                  ? []
                  : [["Quiet window", windowWords(r.window)] as const]),
              ]),
          [
            "Committed",
            told(v.committed_at) ? (
              <>
                <At of={v.committed_at} /> <Copyable text={v.commitment ?? ""} name="commitment" />
              </>
            ) : (
              "to nothing"
            ),
          ],
          ["Revealed", told(v.revealed_at) ? <At key="r" of={v.revealed_at} /> : "never"],
        ]}
      />
      {r !== undefined && (
        <Ledger
          caption={`Challenges of ${v.auditor}`}
          quiet
          columns={answerColumns}
          rows={r.answers}
          keyOf={(a) => `${a.piece}.${a.block}`}
          empty="It could not ask anything."
        />
      )}
    </article>
  );
}

/** By whose line each try came, so that an agent cannot serve auditors' addresses alone. */
const cameBy = (r: Report) => {
  const own = "its own line";
  if (r.carriers === undefined || r.carriers.length === 0) return own;
  return (
    <>
      {r.carriers.map((who, i) => (
        <Fragment key={i}>
          {i > 0 && ", "}
          {who === r.auditor ? (
            own
          ) : (
            <>
              the line of <Account of={who} />
            </>
          )}
        </Fragment>
      ))}
    </>
  );
};

const times = (all: readonly string[]) => (
  <>
    {all.map((at, i) => (
      <span key={at}>
        {i > 0 && ", "}
        <At of={at} />
      </span>
    ))}
  </>
);

const answerColumns: Column<Answered>[] = [
  { name: "Piece", num: true, head: true, of: (a) => a.piece },
  { name: "Block", num: true, hint: "Of 16 KiB", of: (a) => (a.block < 0 ? "all" : a.block) },
  {
    name: "Came",
    of: (a) => <State word={reasonWords(a.outcome)} means={outcomeMeans[a.outcome]} />,
  },
  { name: "After", num: true, of: (a) => `${a.took_ms} ms` },
  {
    name: "SHA-256 of what came",
    hint: "Of a whole piece: the root of its blocks' hashes",
    from: "tablet",
    of: (a) => (a.hash === undefined ? "–" : <code title={a.hash}>{a.hash.slice(0, 16)}…</code>),
  },
];

function Pay({ of: t }: { of: Trail }) {
  return (
    <Section title="Cheques" note="The first that has this pay in it, of each who funds the bounty">
      <Ledger
        caption="Cheques with this pay"
        quiet
        columns={chequeColumns}
        rows={t.cheques}
        keyOf={(c) => c.id}
        empty={t.earned === "0" ? "Nothing was earned." : "No cheque has it yet."}
      />
    </Section>
  );
}

const chequeColumns: Column<SignedCheque>[] = [
  { name: "Cheque", num: true, head: true, of: (c) => c.id },
  { name: "From", of: (c) => <Account of={c.cheque.from} /> },
  {
    name: "Says in all",
    hint: "BTT, everything ever earned from this funder under its mandate",
    num: true,
    of: (c) => <Money of={c.cheque.cumulative} />,
  },
  { name: "State", of: (c) => <State word={c.state} means={chequeMeans[c.state]} /> },
  { name: "Signed by", of: (c) => (c.signers ?? []).length, num: true },
  {
    name: "Transaction",
    from: "tablet",
    of: (c) => (c.tx === undefined ? "–" : <code title={c.tx}>{c.tx.slice(0, 16)}…</code>),
  },
];

/** Check says how to check all of it without believing this page. */
function Check({ of: t }: { of: Trail }) {
  return (
    <Section title="Check it yourself" note="From the .torrent, the chain and the public log alone">
      <p>
        <Copyable text={`everseed verify ${t.lease} --torrent FILE`} name="command" />
      </p>
    </Section>
  );
}
