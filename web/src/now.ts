// One clock for the whole page, by the market's time: countdowns that run off a reader's wrong
// clock would promise calls and epochs that are not due.

import { useSyncExternalStore } from "react";

const watchers = new Set<() => void>();
let offset = 0;
let now = Date.now();

/** setMarketTime takes the market's own time from an answer that was just received. */
export function setMarketTime(at: string): void {
  const off = Date.parse(at) - Date.now();
  offset = Math.abs(off) > 2000 ? off : 0; // less is the answer's way, not a wrong clock
}

setInterval(() => {
  now = marketTime();
  if (document.visibilityState === "visible") for (const wake of watchers) wake();
}, 1000);

function watch(wake: () => void): () => void {
  watchers.add(wake);
  return () => watchers.delete(wake);
}

/** marketTime returns the market's time at this moment. */
export const marketTime = (): number => Date.now() + offset;

/** useNow returns the market's time in milliseconds, anew each second. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}
