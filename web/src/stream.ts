// The market's event stream, read with fetch instead of EventSource: EventSource drops every event
// whose name it was not told beforehand, and hides the pings that prove that a quiet stream is
// alive.

import type { MarketEvent } from "./api";

/** A Frame is one dispatched block of a text/event-stream. */
export interface Frame {
  id: string;
  data: string;
}

/** Frames cuts the text of a stream, however it was split on its way, into frames. */
export class Frames {
  private rest = "";
  /** The cursor of everything read so far; pings move it too. */
  id = "";
  private data: string[] = [];

  push(text: string): Frame[] {
    const out: Frame[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) out.push({ id: this.id, data: this.data.join("\n") });
        this.data = [];
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(5).replace(/^ /, ""));
      } else if (line.startsWith("id:")) {
        this.id = line.slice(3).trim();
      } // comments (pings), event names and retry times say nothing that we need
    }
    return out;
  }
}

/** What is known of the stream. */
export type State = "connecting" | "live" | "stale";

/** silenceMax is how long a stream may be silent: the market pings every 15 seconds. */
const silenceMax = 25_000;
const waits = [300, 1000, 2000, 5000, 10_000];

interface Listener {
  /** An event happened. */
  event: (e: MarketEvent) => void;
  /** The stream is there again; whatever happened meanwhile is not in it. */
  joined: () => void;
  state: (s: State) => void;
}

/** follow reads the stream and takes it up again whenever it breaks, until stop aborts. */
export async function follow(path: string, to: Listener, stop: AbortSignal): Promise<void> {
  const last = { id: "" };
  let tries = 0;
  const over = () => stop.aborted;
  while (!over()) {
    try {
      await listen(path, last, stop, {
        ...to,
        joined: () => {
          tries = 0;
          to.joined();
        },
      });
    } catch {
      // Whatever broke it, the answer is the same: say so, wait, come again.
    }
    if (over()) return;
    to.state("stale");
    await pause(
      (waits[Math.min(tries++, waits.length - 1)] ?? 0) * (0.7 + 0.6 * Math.random()),
      stop,
    );
  }
}

async function listen(
  path: string,
  last: { id: string },
  stop: AbortSignal,
  to: Listener,
): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMax);
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (last.id !== "") headers["Last-Event-ID"] = last.id;
  try {
    const answer = await fetch(path, {
      headers,
      cache: "no-store",
      signal: AbortSignal.any([stop, silence.signal]),
    });
    if (!answer.ok || answer.body === null) {
      if (answer.status < 500) last.id = ""; // another market answers here now; begin anew
      throw new Error(`stream answered ${answer.status}`);
    }
    to.state("live");
    to.joined();
    const frames = new Frames();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMax);
      for (const frame of frames.push(value)) to.event(JSON.parse(frame.data) as MarketEvent);
      if (frames.id !== "") last.id = frames.id;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** pause waits, but not longer than the reader's network needs to come back. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      stop.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener("online", end);
    stop.addEventListener("abort", end);
  });
}
