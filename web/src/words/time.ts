/** span returns the milliseconds of a length of time like "30d", "6h", "1h30m", "300ms". */
export function span(text: string): number {
  const ms: Record<string, number> = {
    d: 86_400_000,
    h: 3_600_000,
    m: 60_000,
    s: 1000,
    ms: 1,
    µs: 0.001,
    us: 0.001,
    ns: 0.000001,
  };
  let total = 0;
  for (const [, n = "", unit = ""] of text.matchAll(/([\d.]+)(ms|µs|us|ns|d|h|m|s)/g)) {
    total += Number(n) * (ms[unit] ?? 0);
  }
  return total;
}

/** lasting writes a length of time with the two units that count: "3d 4h", "2m 05s", "8s". */
export function lasting(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => n.toString().padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m\u00a0${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h\u00a0${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d\u00a0${Math.floor(s / 3600) % 24}h`;
}

/** short writes microseconds as people compare them: "0.4 ms", "12.3 ms", "1.20 s". */
export function short(us: number): string {
  return us < 1e6 ? `${(us / 1e3).toFixed(1)}\u00a0ms` : `${(us / 1e6).toFixed(2)}\u00a0s`;
}

/** ago writes how long ago a time was. */
export function ago(at: string, now: number): string {
  const ms = now - Date.parse(at);
  return ms < 1500 ? "now" : `${lasting(ms)}\u00a0ago`;
}

const pad = (n: number, width = 2) => n.toString().padStart(width, "0");

/** clock writes the time of day in UTC, to the second. */
export function clock(at: string | number): string {
  const d = new Date(at);
  return `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`;
}

/** moment writes a date and time in UTC, to the second. */
export function moment(at: string | number): string {
  const d = new Date(at);
  const day = `${pad(d.getUTCFullYear(), 4)}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`;
  return `${day} ${clock(at)}\u00a0UTC`;
}

/** told says whether a time is set: Go's zero time means that it is not. */
export function told(at: string | undefined | null): at is string {
  return at !== undefined && at !== null && at !== "" && !at.startsWith("0001-01-01");
}
