import type { ReactNode } from "react";

/** A Column is one column of a Ledger. */
export interface Column<T> {
  name: string;
  /** Said by the heading to who asks. */
  hint?: string;
  of: (row: T) => ReactNode;
  /** Numbers stand right, below one another. */
  num?: boolean;
  /** Narrower screens leave the column out; what matters is then in another cell. */
  from?: "tablet" | "desktop";
  /** The column whose cell names the row. */
  head?: boolean;
  /** Written before the cell where a stacked row has no column headings. */
  label?: string;
}

/** Ledger is a table with a caption, or the words to say when there is nothing in it. */
export function Ledger<T>(props: {
  caption: string;
  /** The caption is only for who cannot see the heading above. */
  quiet?: boolean;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string | number;
  rowClass?: (row: T) => string;
  empty: ReactNode;
  /** On a phone each row becomes a small block of its own. */
  stack?: boolean;
}) {
  if (props.rows.length === 0) return <p className="empty">{props.empty}</p>;
  const look = (c: Column<T>) =>
    [c.num === true && "num", c.from !== undefined && `from-${c.from}`].filter(Boolean).join(" ");
  return (
    <div className="scroll">
      {/* Roles are spelled out: browsers forget those of a table that is laid out otherwise. */}
      <table role="table" className={props.stack === true ? "stack" : undefined}>
        <caption className={props.quiet === true ? "unseen" : undefined}>{props.caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {props.columns.map((c) => (
              <th key={c.name} scope="col" role="columnheader" className={look(c)} title={c.hint}>
                {c.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {props.rows.map((row) => (
            <tr
              key={props.keyOf(row)}
              role="row"
              data-key={props.keyOf(row)}
              className={props.rowClass?.(row)}
            >
              {props.columns.map((c) =>
                c.head === true ? (
                  <th key={c.name} scope="row" role="rowheader" className={look(c)}>
                    {c.of(row)}
                  </th>
                ) : (
                  <td key={c.name} role="cell" className={look(c)} data-label={c.label}>
                    {c.of(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
