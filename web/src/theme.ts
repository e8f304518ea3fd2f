import { useSyncExternalStore } from "react";

/** A Theme is what the reader chose; system follows the machine. */
export type Theme = "system" | "light" | "dark";

const order: readonly Theme[] = ["system", "light", "dark"];
const watchers = new Set<() => void>();

function read(): Theme {
  try {
    return order.find((t) => t === localStorage.getItem("theme")) ?? "system";
  } catch {
    return "system"; // storage may be forbidden; the choice then lasts as long as the page
  }
}

let theme = read();

function apply(): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
apply();

/** nextTheme is what the button leads to. */
export const nextTheme = (t: Theme): Theme =>
  order[(order.indexOf(t) + 1) % order.length] ?? "system";

/** setTheme chooses and remembers. */
export function setTheme(t: Theme): void {
  theme = t;
  apply();
  try {
    localStorage.setItem("theme", t);
  } catch {
    // see read
  }
  for (const wake of watchers) wake();
}

/** useTheme returns the choice. */
export function useTheme(): Theme {
  return useSyncExternalStore(
    (wake) => {
      watchers.add(wake);
      return () => watchers.delete(wake);
    },
    () => theme,
  );
}
