import { useEffect } from "react";
import { Brand, ThemeIcon } from "./figures/icons";
import { useLiveness } from "./live";
import { useNow } from "./now";
import { AgentPage } from "./pages/agent";
import { AuditorsPage } from "./pages/auditors";
import { BountyPage } from "./pages/bounty";
import { CallsPage } from "./pages/calls";
import { MarketPage } from "./pages/market";
import { RunPage } from "./pages/run";
import { SolvencyPage } from "./pages/solvency";
import { TrailPage } from "./pages/trail";
import { Unknown } from "./pages/unknown";
import { Link, type Route, routeOf, usePath } from "./route";
import { nextTheme, setTheme, useTheme } from "./theme";
import { clock, lasting } from "./words/time";

const places = [
  ["/", "Market"],
  ["/calls", "Calls"],
  ["/auditors", "Auditors"],
  ["/solvency", "Solvency"],
  ["/run-an-agent", "Run an agent"],
] as const;

/** App is the frame around every page. */
export function App() {
  const path = usePath();
  const route = routeOf(path);
  const { state } = useLiveness();
  useEffect(() => {
    document.title = `${titleOf(route)} · Everseed`;
  });
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="masthead">
        <Link to="/" className="brand">
          <Brand /> Everseed
        </Link>
        <nav aria-label="Pages">
          <ul>
            {places.map(([to, name]) => (
              <li key={to}>
                <Link to={to} current={path === to}>
                  {name}
                </Link>
              </li>
            ))}
            <li>
              <a href="/docs">API</a>
            </li>
          </ul>
        </nav>
        <Live />
        <ThemeButton />
      </header>
      <StaleNotice />
      <main id="main" tabIndex={-1} className={state === "stale" ? "stale" : undefined}>
        <PageOf route={route} />
      </main>
      <footer>
        <p>
          Amounts are cut, never rounded up; point at one to see all of its decimals. Times are UTC.
          Every figure here is public: <a href="/docs">API</a>, <a href="/openapi.yaml">OpenAPI</a>.
        </p>
      </footer>
    </>
  );
}

function PageOf({ route }: { route: Route }) {
  switch (route.page) {
    case "market":
      return <MarketPage />;
    case "bounty":
      return <BountyPage key={route.id} id={route.id} />;
    case "trail":
      return (
        <TrailPage key={`${route.lease}/${route.epoch}`} lease={route.lease} epoch={route.epoch} />
      );
    case "agent":
      return <AgentPage key={route.address} address={route.address} />;
    case "calls":
      return <CallsPage />;
    case "auditors":
      return <AuditorsPage />;
    case "solvency":
      return <SolvencyPage />;
    case "run":
      return <RunPage />;
    default:
      return <Unknown what="This address leads to no page of the market." />;
  }
}

function titleOf(route: Route): string {
  switch (route.page) {
    case "bounty":
      return `Bounty ${route.id}`;
    case "trail":
      return `Lease ${route.lease}, epoch ${route.epoch}`;
    case "agent":
      return `Agent ${route.address.slice(0, 5)}…${route.address.slice(-4)}`;
    case "calls":
      return "Calls";
    case "auditors":
      return "Auditors";
    case "solvency":
      return "Solvency";
    case "run":
      return "Run an agent";
    default:
      return "Market";
  }
}

/** Live says whether the page follows the market right now. */
function Live() {
  const { state, since } = useLiveness();
  const now = useNow();
  const words = {
    live: "Live",
    connecting: "Connecting",
    stale: `Stale ${lasting(Math.max(0, now - since))}`,
  };
  return (
    <p className={`live ${state}`} title="Whether figures follow the market as it changes">
      <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
        <circle cx="5" cy="5" r="4" />
      </svg>
      {words[state]}
    </p>
  );
}

function StaleNotice() {
  const { state, since } = useLiveness();
  return (
    <div role="status">
      {state === "stale" && (
        <p className="notice">
          Not live. Figures are as of {clock(since)} UTC and may have changed; reconnecting.
        </p>
      )}
    </div>
  );
}

function ThemeButton() {
  const theme = useTheme();
  const next = nextTheme(theme);
  return (
    <button
      type="button"
      className="theme"
      onClick={() => setTheme(next)}
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
    >
      <ThemeIcon theme={theme} />
    </button>
  );
}
