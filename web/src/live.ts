// Live joins the event stream with the queries: an event makes every figure that it may have
// changed be read again. Events carry no figures into the page, so the page can only show what the
// API says.

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { MarketEvent } from "./api";
import { marketTime } from "./now";
import { follow, type State } from "./stream";

/** touches lists, for the first word of an event's kind, the queries that it may have changed. */
const touches: Record<string, readonly string[]> = {
  bounty: ["bounties", "market"],
  lease: ["leases", "bounties", "offers", "market"],
  offer: ["offers", "market"],
  call: ["calls", "bounties", "offers", "market"],
  proof: ["proofs", "leases", "bounties", "market"],
  auditor: ["auditors"],
  panel: ["auditors"], // once an epoch, when the one before is judged
  cheque: ["cheques", "accounts", "solvency", "market"],
  account: ["accounts", "solvency", "market"],
  torrent: [],
  epoch: [],
  solvency: ["solvency"],
};
const everything = [...new Set(Object.values(touches).flat())];

/** stale returns the queries that an event of this kind may have changed. */
export function stale(kind: string): readonly string[] {
  const noun = kind.split(".")[0] ?? "";
  return Object.hasOwn(touches, noun) ? (touches[noun] ?? []) : everything;
}

/**
 * However busy the market is, figures are read again at most once in gap; events that come together
 * (an epoch's verdicts do) are waited for and cause one reading.
 */
const gap = 1000;
const together = 150;

/** Liveness is what is known of the stream, and since when by the market's time. */
export interface Liveness {
  state: State;
  since: number;
}

let liveness: Liveness = { state: "connecting", since: Date.now() };
const watchers = new Set<() => void>();

/** startLive follows the stream for as long as the page is open and returns how to stop. */
export function startLive(queries: QueryClient): () => void {
  const stop = new AbortController();
  const due = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let before = 0;
  const read = () => {
    timer = undefined;
    if (document.visibilityState === "hidden") return; // nobody looks; read when somebody does
    before = Date.now();
    const roots = new Set(due);
    due.clear();
    void queries.invalidateQueries({ predicate: (q) => roots.has(String(q.queryKey[0])) });
  };
  const note = (roots: readonly string[]) => {
    for (const root of roots) due.add(root);
    timer ??= setTimeout(read, Math.max(together, before + gap - Date.now()));
  };
  const seen = () => note([]);
  document.addEventListener("visibilitychange", seen);
  void follow(
    "/v1/stream",
    {
      event: (e: MarketEvent) => note(stale(e.kind)),
      joined: () => note(everything),
      state: (state) => {
        if (state === liveness.state) return; // one more vain try is no new state
        liveness = { state, since: marketTime() };
        for (const wake of watchers) wake();
      },
    },
    stop.signal,
  );
  return () => {
    stop.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}

/** useLiveness returns whether figures on the page follow the market at this moment. */
export function useLiveness(): Liveness {
  return useSyncExternalStore(
    (wake) => {
      watchers.add(wake);
      return () => watchers.delete(wake);
    },
    () => liveness,
  );
}
