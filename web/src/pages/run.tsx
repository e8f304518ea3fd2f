import type { MarketInfo } from "../api";
import { signatureWords } from "../market";
import { PriceOf, Section } from "../parts";
import { useMarket, useRules } from "../queries";
import { Link } from "../route";

/** RunPage says how a spare disk becomes a seeder agent, with this market's own numbers. */
export function RunPage() {
  const rules = useRules().data?.rules;
  const prices = useMarket().data?.clearings ?? [];
  return (
    <article className="prose">
      <h1>Run an agent</h1>
      <p className="intro">
        An agent sells spare disk and upload. It downloads torrents that are about to die, seeds
        them, answers audits, and is paid in BTT for every epoch between two passed audits.
      </p>
      {prices.length > 0 && (
        <p>
          Last cleared here:{" "}
          {prices.map((p, i) => (
            <span key={p.signature}>
              {i > 0 && ", "}
              <b>
                <PriceOf of={p.price} />
              </b>{" "}
              BTT per GiB-day ({signatureWords(p.signature)})
            </span>
          ))}
          .
        </p>
      )}
      <Steps grace={rules?.grace ?? "the grace time"} />
      {rules !== undefined && <Promises of={rules} />}
    </article>
  );
}

function Steps({ grace }: { grace: string }) {
  return (
    <Section title="Four steps">
      <ol className="steps">
        <li>
          <b>Make a configuration and a key.</b> Nothing is overwritten.
          <pre>
            <code>everseed-agent init --market {window.location.origin}</code>
          </pre>
        </li>
        <li>
          <b>Say what you sell.</b> In <code>agent.toml</code> set <code>storage</code>,{" "}
          <code>keep_free</code>, <code>upload_rate</code>, <code>price_min</code>,{" "}
          <code>region</code> and, if the internet can reach you, <code>peer</code>, the address for
          that; else your agent connects to those who ask for it. Set <code>payee</code> to an
          address whose key is on another machine: then losing this one loses no money.{" "}
          <code>carry</code> is how much of your line you lend a day to auditors that visit other
          agents, so that nobody can serve auditors alone; <code>&apos;0 B&apos;</code> lends
          nothing.
        </li>
        <li>
          <b>Start it.</b> It puts up your offer and answers the calls. Stopping it loses nothing,
          but a replica that is away for longer than {grace} is given to another agent.
          <pre>
            <code>everseed-agent run</code>
          </pre>
        </li>
        <li>
          <b>Watch it earn.</b> Your agent then stands among the <Link to="/">offers</Link>, with
          every audit and cheque in public.
          <pre>
            <code>everseed-agent status</code>
          </pre>
        </li>
      </ol>
    </Section>
  );
}

function Promises({ of: rules }: { of: MarketInfo["rules"] }) {
  return (
    <Section title="What this market promises">
      <ul>
        <li>
          You never work below your <code>price_min</code>: a call's price is at least every ask it
          accepts.
        </li>
        <li>
          Each epoch of {rules.epoch} you are audited by {rules.auditors} auditors with{" "}
          {rules.challenges} random challenges each; {rules.audit_quorum} must pass you.
        </li>
        <li>
          {rules.holdback_bps / 100} % of pay is held back until a lease ends well. Agents pay no
          fee.
        </li>
        <li>
          A missed audit costs pay until you pass again, and nothing else, if you are back within{" "}
          {rules.grace}. Only time between two passed audits is paid.
        </li>
        <li>Wrong bytes end the lease at once, and its holdback goes back to the poster.</li>
        <li>
          Your line's address is in no list and on no page. Auditors about to look are told it, the
          agents that bring them, and those that hold the same torrent; who downloads from you sees
          it, as with any torrent.
        </li>
      </ul>
    </Section>
  );
}
