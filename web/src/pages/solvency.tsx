import type { Solvency } from "../api";
import { Bar } from "../figures/bar";
import { owing } from "../market";
import { Ago, Answer, Copyable, Facts, Money, Section, State } from "../parts";
import { useRules, useSolvency } from "../queries";
import { Link } from "../route";
import { amountOf, places, share, units } from "../words/amount";
import { count } from "../words/size";

const sides = [
  ["free", "Free", "Deposited by posters and not reserved"],
  ["reserved", "Reserved", "Set aside for bounties"],
  ["payable", "Payable", "Earned by agents, on its way to a cheque and to the chain"],
  ["held", "Held back", "Earned by agents, paid when their leases end"],
] as const;

/** whole returns what both sides are measured against: the larger of vault and liabilities. */
function whole(s: Solvency): string {
  const owed = owing(s);
  return amountOf(owed > units(s.vault) ? owed : units(s.vault));
}

/** sound says whether the chain covers everything and nothing is unexplained. */
const sound = (s: Solvency) =>
  !s.frozen && (s.difference ?? "") === "" && units(s.token) >= owing(s);

function Shares({ of: s }: { of: Solvency }) {
  const all = whole(s);
  const parts = sides.map(([key, name]) => ({ name, share: share(s[key], all), kind: key }));
  return (
    <Bar parts={parts} label={sides.map(([key, name]) => `${name} ${s[key]} BTT`).join(", ")} />
  );
}

/** SolvencyLine says on the first page whether the vault covers what is owed. */
export function SolvencyLine() {
  const solvency = useSolvency();
  return (
    <div className="solvency-line">
      <Answer of={solvency} what="Solvency">
        {(s) => (
          <>
            <p>
              <Verdict of={s} />{" "}
              <span>
                The vault holds{" "}
                <b>
                  <Money of={s.vault} />
                </b>{" "}
                BTT on chain; the ledger owes{" "}
                <b>
                  <Money of={amountOf(owing(s))} />
                </b>
                . <Link to="/solvency">Block {count(s.block)}</Link>
              </span>
            </p>
            <Shares of={s} />
            <ul className="legend">
              {sides.map(([key, name, hint]) => (
                <li key={key} title={hint}>
                  <i className={`swatch ${key}`} aria-hidden="true" />
                  {name} <Money of={s[key]} digits={2} />
                </li>
              ))}
            </ul>
          </>
        )}
      </Answer>
    </div>
  );
}

function Verdict({ of: s }: { of: Solvency }) {
  if (sound(s)) return <State word="Covered" means={["good", "The vault matches the ledger."]} />;
  if (s.frozen) return <State word="Redemptions stopped" means={["bad", s.difference ?? ""]} />;
  return <State word="Does not match" means={["bad", s.difference ?? ""]} />;
}

/** SolvencyPage sets the ledger beside the chain. */
export function SolvencyPage() {
  const solvency = useSolvency();
  return (
    <>
      <h1>Solvency</h1>
      <p className="intro">
        Every BTT that posters deposited is in one contract on TRON. The market's ledger says whom
        it belongs to. Both are compared at blocks that can no longer be reverted; when they differ,
        redemptions stop until they agree again. <a href="/docs/money">Who holds your money</a> says
        whom you have to trust with what.
      </p>
      <Answer of={solvency} what="Solvency">
        {(s) => <Statement of={s} />}
      </Answer>
      <Contracts />
    </>
  );
}

function Statement({ of: s }: { of: Solvency }) {
  const owed = amountOf(owing(s));
  const digits = places([s.vault, owed, s.token]);
  const line = (name: string, of: string, hint: string, kind = "") => (
    <tr className={kind} key={name}>
      <th scope="row">
        {kind !== "" && <i className={`swatch ${kind}`} aria-hidden="true" />}
        {name}
        <small>{hint}</small>
      </th>
      <td className="num">
        <Money of={of} digits={digits} />
      </td>
    </tr>
  );
  return (
    <>
      <p className="headline">
        <Verdict of={s} />{" "}
        {(s.difference ?? "") !== "" && <span className="at-risk">{s.difference}</span>}
      </p>
      {s.frozen && <Frozen of={s} />}
      <Shares of={s} />
      <div className="columns even">
        <Section title="What the ledger owes" note="BTT">
          <table className="statement">
            <caption className="unseen">What the ledger owes</caption>
            <tbody>{sides.map(([key, name, hint]) => line(name, s[key], hint, key))}</tbody>
            <tfoot>
              {line("Total", owed, "")}
              {line(
                "Vault, as the ledger has it",
                s.ledger,
                "The other side of the total, from what solid blocks said",
              )}
            </tfoot>
          </table>
        </Section>
        <Section
          title="What the chain holds"
          note={
            <>
              BTT, at solid block {count(s.block)}, compared <Ago of={s.compared_at} />
            </>
          }
        >
          <table className="statement">
            <caption className="unseen">What the chain holds</caption>
            <tbody>
              {line("Vault accounts", s.vault, "Sum of the posters' accounts in the contract")}
              {line("Token balance", s.token, "BTT that the contract really holds")}
            </tbody>
          </table>
        </Section>
      </div>
      <DoubleEntry of={s} />
    </>
  );
}

/** Frozen says what a stop of redemptions means for everybody who has money here. */
function Frozen({ of: s }: { of: Solvency }) {
  return (
    <Section
      title="Redemptions are stopped"
      note={
        <>
          since {s.frozen_since === undefined ? "the last comparison" : <Ago of={s.frozen_since} />}
          , last compared at block {count(s.block)}
        </>
      }
    >
      <p>
        The market sends no cheque to the vault while its ledger and the chain differ. A person has
        to find out why; redemptions go on by themselves at the first block at which both agree.
      </p>
      <ul>
        <li>Audits, accrual and the signing of cheques go on.</li>
        <li>
          Agents who hold a signed cheque can redeem it without the market:{" "}
          <code>everseed-agent redeem</code>.
        </li>
        <li>
          Posters can thaw and withdraw from the vault: <code>everseed wallet thaw</code>.
        </li>
      </ul>
    </Section>
  );
}

function DoubleEntry({ of: s }: { of: Solvency }) {
  return (
    <Section title="Double entry" note="Every transfer debits one account and credits another.">
      <Facts
        of={[
          ["All debits", <Money key="d" of={s.ledger_debit} unit />],
          ["All credits", <Money key="c" of={s.ledger_credit} unit />],
          [
            "Balanced",
            s.ledger_debit === s.ledger_credit ? (
              <State key="b" word="yes" means={["good", "Debits equal credits."]} />
            ) : (
              <State key="b" word="no" means={["bad", "Debits differ from credits."]} />
            ),
          ],
        ]}
      />
    </Section>
  );
}

function Contracts() {
  const rules = useRules().data;
  if (rules === undefined) return null;
  return (
    <Section title="Look for yourself" note="Any TRON node answers for these.">
      <Facts
        of={[
          ["Vault contract", <Copyable key="v" text={rules.vault} name="the vault's address" />],
          ["BTT contract", <Copyable key="t" text={rules.token} name="the token's address" />],
          ["Chain id", rules.chain_id],
          [
            "Cheque signers",
            <ul key="s" className="plain">
              {rules.auditors.map((a) => (
                <li key={a}>
                  <code>{a}</code>
                </li>
              ))}
              <li className="quiet">
                {rules.quorum} of {rules.auditors.length} must sign
              </li>
            </ul>,
          ],
        ]}
      />
    </Section>
  );
}
