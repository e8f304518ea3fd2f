import { useEffect, useRef, useState } from "react";
import { type Deal, signatureWords } from "../market";
import { units } from "../words/amount";
import { price } from "../words/amount";
import { clock } from "../words/time";

const height = 190;
const edge = { top: 12, right: 14, bottom: 26, left: 62 };

/** PriceChart draws what cleared over time: one step line a signature, one disc a clearing. */
export function PriceChart({ deals }: { deals: readonly Deal[] }) {
  const [box, width] = useWidth();
  const plot = layout(deals, width);
  const signatures = [...new Set(deals.map((d) => d.signature))];
  return (
    <figure className="chart" ref={box}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
        role="img"
        aria-label={summary(deals)}
      >
        {plot.ticks.map((t) => (
          <g key={t.label} className="tick">
            <line x1={edge.left} x2={width - edge.right} y1={t.y} y2={t.y} />
            <text x={edge.left - 8} y={t.y + 4} textAnchor="end">
              {t.label}
            </text>
          </g>
        ))}
        {plot.times.map((t) => (
          <text key={t.anchor} x={t.x} y={height - 6} textAnchor={t.anchor} className="time">
            {t.label}
          </text>
        ))}
        {signatures.map((s, i) => (
          <Series
            key={s}
            deals={deals.filter((d) => d.signature === s)}
            plot={plot}
            n={i % 4}
            end={width - edge.right}
          />
        ))}
      </svg>
      {signatures.length > 1 && (
        <figcaption className="legend">
          {signatures.map((s, i) => (
            <span key={s}>
              <svg
                viewBox="0 0 18 8"
                width="18"
                height="8"
                aria-hidden="true"
                className={`series s${i % 4}`}
              >
                <path d="M0 4H18" />
              </svg>
              {signatureWords(s)}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}

function Series(props: { deals: readonly Deal[]; plot: Plot; n: number; end: number }) {
  const points = props.deals.map((d) => ({ d, x: props.plot.x(d.at), y: props.plot.y(d.price) }));
  const path = points.map((p, i) => (i === 0 ? `M${p.x} ${p.y}` : `H${p.x}V${p.y}`)).join("");
  return (
    <g className={`series s${props.n}`}>
      <path d={`${path}H${props.end}`} />
      {points.map((p) => (
        <circle key={p.d.call} cx={p.x} cy={p.y} r={Math.min(6, 2.5 + Math.sqrt(p.d.replicas))}>
          <title>{`Call ${p.d.call}, ${clock(p.d.at)}: ${price(p.d.price)} BTT, replicas: ${p.d.replicas}`}</title>
        </circle>
      ))}
    </g>
  );
}

interface Plot {
  x: (at: number) => number;
  y: (price: string) => number;
  ticks: { y: number; label: string }[];
  times: { x: number; anchor: "start" | "end"; label: string }[];
}

/** layout maps times and prices to pixels. Prices leave exactness only where they are drawn. */
function layout(deals: readonly Deal[], width: number): Plot {
  const micro = deals.map((d) => Number(units(d.price) / 10n ** 12n));
  const step = niceStep(Math.max(...micro) - Math.min(...micro), Math.max(...micro));
  const low = Math.max(0, Math.floor(Math.min(...micro) / step - 0.5) * step);
  const high = Math.ceil(Math.max(...micro) / step + 0.5) * step;
  const from = Math.min(...deals.map((d) => d.at));
  const to = Math.max(...deals.map((d) => d.at), from + 1000);
  const inner = { w: width - edge.left - edge.right, h: height - edge.top - edge.bottom };
  const y = (m: number) => edge.top + inner.h * (1 - (m - low) / (high - low));
  const ticks = [];
  for (let m = low; m <= high; m += step) {
    ticks.push({ y: y(m), label: price((m / 1e6).toFixed(6).replace(/\.?0+$/, "")) });
  }
  return {
    x: (at) => edge.left + 8 + ((at - from) / (to - from)) * (inner.w - 16),
    y: (p) => y(Number(units(p) / 10n ** 12n)),
    ticks,
    times: [
      { x: edge.left, anchor: "start", label: clock(from) },
      { x: width - edge.right, anchor: "end", label: `${clock(to)} UTC` },
    ],
  };
}

/** niceStep returns 1, 2 or 5 times a power of ten, such that a range needs about three steps. */
function niceStep(range: number, top: number): number {
  const raw = Math.max(range / 3, top / 20, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5].find((n) => n * power >= raw) ?? 10) * power;
}

function summary(deals: readonly Deal[]): string {
  const last = deals.at(-1);
  if (last === undefined) return "No clearing prices yet";
  return (
    `Clearing prices of ${deals.length} trades; the last was ${price(last.price)} BTT per ` +
    `GiB-day at ${clock(last.at)} UTC. The same numbers are in the table below.`
  );
}

/** useWidth follows an element's width, so that text in a drawing keeps its size. */
function useWidth() {
  const box = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(480);
  useEffect(() => {
    const el = box.current;
    if (el === null) return;
    const watcher = new ResizeObserver(([e]) =>
      setWidth(Math.max(260, Math.round(e?.contentRect.width ?? 480))),
    );
    watcher.observe(el);
    return () => watcher.disconnect();
  }, []);
  return [box, width] as const;
}
