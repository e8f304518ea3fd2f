import type { Proof, Verdict } from "../api";
import { type Cell, strip, tally, verdictWord } from "../market";
import { clock } from "../words/time";

const cellWidth = 7;
const height = 20;

/**
 * ProofStrip draws one bar an epoch, oldest left: full height when passed, low when failed, crossed
 * when the bytes were wrong, a ring when nobody reported, a dot when nobody was asked.
 */
export function ProofStrip(props: { proofs: readonly Proof[]; cells?: number; newest?: number }) {
  const cells = strip(props.proofs, props.cells ?? 36, props.newest);
  if (cells.length === 0) return <span className="quiet">no audits yet</span>;
  const width = cells.length * cellWidth;
  return (
    <svg
      className="strip"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={`Last ${cells.length} epochs: ${tally(cells)}`}
    >
      {cells.map((c, i) => (
        <Bar key={c.epoch} x={i * cellWidth} cell={c} />
      ))}
    </svg>
  );
}

function Bar({ x, cell }: { x: number; cell: Cell }) {
  const p = cell.proof;
  const title =
    p === undefined
      ? `Epoch ${cell.epoch}: not audited`
      : `Epoch ${cell.epoch}, ${clock(p.at)}: ${verdictWord(p.verdict)}, ` +
        `${p.passes} of ${p.reports} auditors passed it`;
  return (
    <g className={`cell ${p?.verdict ?? "gap"}`}>
      <title>{title}</title>
      <rect x={x} y="0" width={cellWidth} height={height} className="touch" />
      <StripShape x={x} verdict={p?.verdict ?? "gap"} />
    </g>
  );
}

/** StripShape draws one verdict; each has a shape of its own, so that it reads without colour. */
export function StripShape({ x, verdict }: { x: number; verdict: Verdict | "gap" }) {
  switch (verdict) {
    case "pass":
      return <rect x={x} y="2" width="5" height="16" rx="1" />;
    case "fail":
      return <rect x={x} y="11" width="5" height="7" rx="1" />;
    case "data_fault":
      return <path d={`M${x + 0.5} 7l4 6m0-6l-4 6`} className="cross" />;
    case "accused":
      return <path d={`M${x + 2.5} 8v5m0 3v2`} className="cross" />;
    case "unaudited":
      return <circle cx={x + 2.5} cy="15" r="1.9" className="hollow" />;
    case "gap":
      return <circle cx={x + 2.5} cy="16.5" r="1" />;
  }
}
