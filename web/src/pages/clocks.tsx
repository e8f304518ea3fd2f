import { useMarket, useRules } from "../queries";
import { useNow } from "../now";
import { Link } from "../route";
import { count } from "../words/size";
import { ago, lasting, span } from "../words/time";

/** Clocks shows the two beats of the market: the matcher's calls and the audit epochs. */
export function Clocks() {
  const rules = useRules().data?.rules;
  const last = useMarket().data?.last_call;
  const now = useNow();
  if (rules === undefined) return <div className="clocks" />;
  const epoch = span(rules.epoch);
  const left = epoch - (now % epoch);
  return (
    <dl className="clocks">
      <div>
        <dt>Last call</dt>
        <dd>
          {last ? <Link to="/calls">#{count(last.id)}</Link> : "none yet"}
          <small>
            {last && `${ago(last.at, now)}, `}next within {rules.call_every}
          </small>
        </dd>
      </div>
      <div>
        <dt>Audit epoch</dt>
        <dd>
          {count(Math.floor(now / epoch))}
          <small>ends in {lasting(left + 999)}</small>
        </dd>
        <Progress done={1 - left / epoch} />
      </div>
    </dl>
  );
}

function Progress({ done }: { done: number }) {
  return (
    <svg viewBox="0 0 100 3" preserveAspectRatio="none" className="progress" aria-hidden="true">
      <rect width="100" height="3" className="track" />
      <rect width={100 * Math.max(0, done)} height="3" className="part" />
    </svg>
  );
}
