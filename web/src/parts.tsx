// The small words of the page: money, accounts, states, times. Each knows how to be exact on
// demand.

import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { ToneMark } from "./figures/icons";
import type { Meaning } from "./market";
import { useNow } from "./now";
import { Link } from "./route";
import { btt, exact, price } from "./words/amount";
import { ago, clock, lasting, moment, told } from "./words/time";

/** Money shows an amount cut to so many decimals, and all of them on demand. */
export function Money({ of, digits, unit }: { of: string; digits?: number; unit?: boolean }) {
  return (
    <data value={of} title={`${exact(of)} BTT`} className="money">
      {btt(of, digits)}
      {unit === true && <span className="unit"> BTT</span>}
    </data>
  );
}

/** PriceOf shows a price per GiB-day. */
export function PriceOf({ of }: { of: string }) {
  return (
    <data value={of} title={`${exact(of)} BTT per GiB-day`} className="money">
      {price(of)}
    </data>
  );
}

/** State shows a state's word with its mark, and its sentence on demand. */
export function State({ word, means }: { word: string; means: Meaning | undefined }) {
  const [tone, says] = means ?? ["done", ""];
  return (
    <span className={`state ${tone}`} title={says}>
      <ToneMark tone={tone} />
      {word}
    </span>
  );
}

/** Account shows an address by its ends; the whole of it on demand. */
export function Account({ of, plain }: { of: string; plain?: boolean }) {
  const short = of === "" ? "–" : `${of.slice(0, 5)}…${of.slice(-4)}`;
  if (plain === true || of === "") return <code title={of}>{short}</code>;
  return (
    <Link to={`/agents/${of}`} title={of}>
      <code>{short}</code>
    </Link>
  );
}

/** Copyable shows a text in full with a button that copies it. */
export function Copyable({ text, name }: { text: string; name: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <span className="copyable">
      <code>{text}</code>
      <button type="button" className="small" onClick={copy} aria-label={`Copy ${name}`}>
        {copied ? "Copied" : "Copy"}
      </button>
      <span className="unseen" role="status">
        {copied ? `${name} copied` : ""}
      </span>
    </span>
  );
}

/** At shows a time of day in UTC. */
export function At({ of }: { of: string }) {
  return (
    <time dateTime={of} title={moment(of)}>
      {clock(of)}
    </time>
  );
}

/** On shows a time of day in UTC, or the date when that was long ago. */
export function On({ of }: { of: string }) {
  const long = useNow() - Date.parse(of) > 20 * 3_600_000;
  return (
    <time dateTime={of} title={moment(of)}>
      {long ? moment(of).slice(0, 10) : clock(of)}
    </time>
  );
}

/** Ago shows how long ago a time was. */
export function Ago({ of }: { of: string }) {
  const now = useNow();
  return (
    <time dateTime={of} title={moment(of)}>
      {ago(of, now)}
    </time>
  );
}

/** Until counts down to a time, and says so once it is over. */
export function Until({ of, over }: { of: string | undefined; over: string }) {
  const now = useNow();
  if (!told(of)) return <span className="quiet">–</span>;
  const left = Date.parse(of) - now;
  return (
    <time dateTime={of} title={moment(of)}>
      {left > 0 ? lasting(left) : over}
    </time>
  );
}

/** Answer shows what a query answered, or in words why there is nothing to show. */
export function Answer<T>(props: {
  of: UseQueryResult<T>;
  what: string;
  children: (data: T) => ReactNode;
}) {
  const { data, error } = props.of;
  const late = useLate(data === undefined);
  if (data !== undefined) {
    return (
      <>
        {error !== null && (
          <p className="fault" role="status">
            {props.what} could not be read again: {error.message}. What is shown is older.
          </p>
        )}
        {props.children(data)}
      </>
    );
  }
  if (error !== null) {
    return (
      <div className="fault" role="alert">
        <p>
          {props.what} could not be read: {error.message}.
        </p>
        <button type="button" onClick={() => void props.of.refetch()}>
          Try again
        </button>
      </div>
    );
  }
  return (
    <p className="empty" aria-busy="true">
      {late ? `Reading ${props.what.toLowerCase()}…` : "\u00a0"}
    </p>
  );
}

/** useLate says when waiting took long enough to be worth a word. */
function useLate(waiting: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!waiting) return;
    const timer = setTimeout(() => setLate(true), 300);
    return () => clearTimeout(timer);
  }, [waiting]);
  return late;
}

/** Facts is a list of names and what they are. */
export function Facts({ of }: { of: readonly (readonly [name: string, is: ReactNode])[] }) {
  return (
    <dl className="facts">
      {of.map(([name, is]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{is}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Section is a part of a page with its heading. */
export function Section(props: {
  title: string;
  note?: ReactNode;
  className?: string;
  children: ReactNode;
}) {
  const id = props.title.toLowerCase().replaceAll(/[^a-z]+/g, "-");
  return (
    <section aria-labelledby={id} className={props.className}>
      <header className="section">
        <h2 id={id}>{props.title}</h2>
        {props.note !== undefined && <p className="note">{props.note}</p>}
      </header>
      {props.children}
    </section>
  );
}
