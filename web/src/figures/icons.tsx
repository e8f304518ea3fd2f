import type { Tone } from "../market";

/** ToneMark draws a tone by shape, so that it reads without colour. */
export function ToneMark({ tone }: { tone: Tone }) {
  return (
    <svg className={`mark ${tone}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      {tone === "good" && <circle cx="6" cy="6" r="4.5" />}
      {tone === "busy" && <path d="M6 1.5a4.5 4.5 0 0 1 0 9Z" />}
      {tone === "busy" && <circle cx="6" cy="6" r="3.9" className="hollow" />}
      {tone === "warn" && <path d="M6 1 11.5 10.8H.5Z" />}
      {tone === "bad" && <path d="M6 .6 11.4 6 6 11.4.6 6Z" />}
      {tone === "done" && <circle cx="6" cy="6" r="3.9" className="hollow" />}
    </svg>
  );
}

/** Brand is the market's mark: a seedling. */
export function Brand() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" className="brand-mark">
      <rect width="32" height="32" rx="7" />
      <path d="M16 26V15" className="stem" />
      <path d="M16 16.5C16 11 12 7.5 6.5 7.5 6.5 13 10 16.5 16 16.5Z" className="leaf" />
      <path d="M16 20c0-4.6 3.4-7.5 9-7.5 0 4.8-3.3 7.5-9 7.5Z" className="leaf two" />
    </svg>
  );
}

/** ThemeIcon shows the theme that is chosen. */
export function ThemeIcon({ theme }: { theme: "system" | "light" | "dark" }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" className="icon">
      {theme === "system" && <path d="M8 2a6 6 0 0 1 0 12Z" className="solid" />}
      {theme !== "dark" && <circle cx="8" cy="8" r={theme === "system" ? 6 : 3.2} />}
      {theme === "light" && (
        <path d="M8 .8v2M8 13.2v2M.8 8h2M13.2 8h2M2.9 2.9l1.4 1.4M11.7 11.7l1.4 1.4M2.9 13.1l1.4-1.4M11.7 4.3l1.4-1.4" />
      )}
      {theme === "dark" && <path d="M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3Z" />}
    </svg>
  );
}
