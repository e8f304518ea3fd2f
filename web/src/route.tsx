// A router for a handful of paths: the address bar is the state, links are links.

import { type MouseEvent, type ReactNode, useSyncExternalStore } from "react";

/** A Route is where the reader is. */
export type Route =
  | { page: "market" | "calls" | "auditors" | "solvency" | "run" | "unknown" }
  | { page: "bounty"; id: number }
  | { page: "trail"; lease: number; epoch: number }
  | { page: "agent"; address: string };

/** alone are the pages about no one thing, by their path. */
const alone: Partial<Record<string, "calls" | "auditors" | "solvency" | "run">> = {
  calls: "calls",
  auditors: "auditors",
  solvency: "solvency",
  "run-an-agent": "run",
};

const number = /^[1-9]\d{0,15}$/;

/** routeOf reads a path. */
export function routeOf(path: string): Route {
  const [first = "", second = "", third, ...more] = path.split("/").filter(Boolean);
  if (more.length > 0) return { page: "unknown" };
  if (third !== undefined) return first === "proofs" ? trailOf(second, third) : { page: "unknown" };
  if (first === "") return { page: "market" };
  if (first === "bounties" && number.test(second)) return { page: "bounty", id: Number(second) };
  if (first === "agents" && /^T\w{33}$/.test(second)) return { page: "agent", address: second };
  return { page: (second === "" ? alone[first] : undefined) ?? "unknown" };
}

function trailOf(lease: string, epoch: string): Route {
  if (!number.test(lease) || !number.test(epoch)) return { page: "unknown" };
  return { page: "trail", lease: Number(lease), epoch: Number(epoch) };
}

const watchers = new Set<() => void>();

function watch(wake: () => void): () => void {
  watchers.add(wake);
  window.addEventListener("popstate", wake);
  return () => {
    watchers.delete(wake);
    window.removeEventListener("popstate", wake);
  };
}

/** usePath returns the path in the address bar. */
export function usePath(): string {
  return useSyncExternalStore(watch, () => window.location.pathname);
}

function go(path: string): void {
  if (path === window.location.pathname) return;
  window.history.pushState(null, "", path);
  for (const wake of watchers) wake();
  window.scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** Link leads to another page of this market. With a modifier key it is any link. */
export function Link(props: {
  to: string;
  children: ReactNode;
  className?: string;
  title?: string;
  current?: boolean;
}) {
  const follow = (e: MouseEvent) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey)
      return;
    e.preventDefault();
    go(props.to);
  };
  return (
    <a
      href={props.to}
      onClick={follow}
      className={props.className}
      title={props.title}
      aria-current={props.current === true ? "page" : undefined}
    >
      {props.children}
    </a>
  );
}
