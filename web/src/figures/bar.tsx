/** A Part is one stretch of a bar. */
export interface Part {
  name: string;
  share: number;
  kind: string;
}

/** Bar draws shares of one whole side by side. What they mean stands in words beside it. */
export function Bar({ parts, label }: { parts: readonly Part[]; label: string }) {
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((n, p) => n + p.share, 0));
  return (
    <svg
      className="bar"
      viewBox="0 0 1000 10"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <rect width="1000" height="10" className="track" />
      {parts.map((p, i) => (
        <rect
          key={p.name}
          x={1000 * (starts[i] ?? 0)}
          width={1000 * p.share}
          height="10"
          className={`part ${p.kind}`}
        >
          <title>{p.name}</title>
        </rect>
      ))}
    </svg>
  );
}
