/** most is how many replicas are drawn one by one; beyond it a bar says more. */
const most = 10;

/**
 * Replicas draws one disc a wanted replica: full when proven, half when leased, an empty ring when
 * nobody has it. The numbers stand beside it.
 */
export function Replicas(props: { proven: number; leased: number; wanted: number }) {
  const { proven, wanted } = props;
  const leased = Math.max(props.leased, proven);
  const says =
    `${proven} proven, ${leased - proven} leased but not proven, ` +
    `${Math.max(0, wanted - leased)} missing, of ${wanted}`;
  return (
    <span className="replicas" title={says}>
      {wanted <= most ? (
        <svg
          viewBox={`0 0 ${wanted * 14} 14`}
          width={wanted * 14}
          height="14"
          role="img"
          aria-label={says}
        >
          {Array.from({ length: wanted }, (_, i) => (
            <Disc
              key={i}
              x={i * 14 + 7}
              is={i < proven ? "proven" : i < leased ? "leased" : "missing"}
            />
          ))}
        </svg>
      ) : (
        <svg viewBox="0 0 100 14" width="100" height="14" role="img" aria-label={says}>
          <rect x="0" y="4" width="100" height="6" rx="3" className="track" />
          <rect
            x="0"
            y="4"
            width={(100 * leased) / wanted}
            height="6"
            rx="3"
            className="part leased"
          />
          <rect
            x="0"
            y="4"
            width={(100 * proven) / wanted}
            height="6"
            rx="3"
            className="part proven"
          />
        </svg>
      )}
      <span className="of" aria-hidden="true">
        <b>{proven}</b>/{wanted}
      </span>
    </span>
  );
}

function Disc({ x, is }: { x: number; is: "proven" | "leased" | "missing" }) {
  if (is === "proven") return <circle cx={x} cy="7" r="5" className="disc proven" />;
  if (is === "missing") return <circle cx={x} cy="7" r="4.4" className="disc missing" />;
  return (
    <g className="disc leased">
      <circle cx={x} cy="7" r="4.4" />
      <path d={`M${x} 2.6a4.4 4.4 0 0 0 0 8.8Z`} />
    </g>
  );
}
