import type { Offer, Outlook } from "../api";
import { Bar } from "../figures/bar";
import { percent, windowsWords } from "../market";
import { Account, Facts, Section } from "../parts";
import { useRules } from "../queries";
import { Standing } from "./market";

/** Outlooks shows how an agent stands: its scores with what they cost, warnings, what comes next. */
export function Outlooks({ of: o }: { of: Offer }) {
  const oneOwner = useRules().data?.rules.one_owner_bps ?? 10_000;
  const k = o.outlook;
  return (
    <Section title="Standing" note="From the auditors' public reports alone">
      {(k?.warnings ?? []).map((w) => (
        <p key={w.kind} className="fault" role="status">
          {w.detail}.
        </p>
      ))}
      <Facts
        of={[
          ["Standing", <Standing key="s" of={o} />],
          ...(k === undefined
            ? [["Scores", "from its first audit on"] as const]
            : [
                ["Reputation", <Gauge key="r" of={k.reputation} what="of audits" />] as const,
                ["Uptime", <Gauge key="u" of={k.uptime} what="of tries" />] as const,
                ["Forecast", forecast(k)] as const,
                ...(k.windows === undefined
                  ? []
                  : [["Quiet windows", windowsWords(k.windows)] as const]),
                ["Next", k.next] as const,
              ]),
          ...(o.together ?? []).map(
            (p) =>
              [
                "Fails together with",
                <span key={p.agent}>
                  <Account of={p.agent} /> {percent(p.score_bps)} of the epochs that either missed
                  {p.score_bps >= oneOwner && "; calls keep the two apart like one owner's"}
                </span>,
              ] as const,
          ),
        ]}
      />
    </Section>
  );
}

const forecast = (k: Outlook) => `${percent(k.drop_bps)} likely to miss the next epoch`;

function Gauge({ of: g, what }: { of: Outlook["uptime"]; what: string }) {
  const words = `${percent(g.bps)} ${what}; below ${percent(g.min_bps)} ${g.costs}`;
  return (
    <div className="depth">
      <span>{words}</span>
      <Bar
        label={words}
        parts={[
          {
            name: percent(g.bps),
            share: g.bps / 10_000,
            kind: g.bps < g.warn_bps ? "held" : "free",
          },
        ]}
      />
    </div>
  );
}
