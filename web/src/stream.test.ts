import { expect, test } from "vitest";
import { stale } from "./live";
import { routeOf } from "./route";
import { follow, Frames, type State } from "./stream";
import type { MarketEvent } from "./api";

test("frames come out whole however the text was split", () => {
  const text =
    ': ping\n\nid: 7\nevent: proof.pass\ndata: {"a":\ndata: 1}\n\r\n\nid: 8\r\ndata: x\r\n\r\n';
  for (let cut = 1; cut < text.length; cut++) {
    const f = new Frames();
    const out = [...f.push(text.slice(0, cut)), ...f.push(text.slice(cut))];
    expect(out).toEqual([
      { id: "7", data: '{"a":\n1}' },
      { id: "8", data: "x" },
    ]);
  }
});

test("an event makes only what it may have changed be read again", () => {
  expect(stale("proof.pass")).toContain("leases");
  expect(stale("proof.pass")).not.toContain("offers");
  expect(stale("offer.live")).not.toContain("proofs");
  expect(stale("epoch.open")).toEqual([]);
});

test("an event of a kind not known here makes everything be read again", () => {
  for (const root of ["market", "accounts", "solvency", "bounties", "calls"]) {
    expect(stale("constructor.x")).toContain(root);
  }
});

test("a broken stream is taken up after the last event and said to be stale meanwhile", async () => {
  const asked: (string | null)[] = [];
  const frame = (id: string) =>
    `id: ${id}\ndata: {"id":"${id}","kind":"call.cleared","thing":1,"at":""}\n\n`;
  globalThis.fetch = (_, init) => {
    asked.push(new Headers(init?.headers).get("Last-Event-ID"));
    return Promise.resolve(new Response(frame(String(asked.length))));
  };
  const stop = new AbortController();
  const states: State[] = [];
  const events: MarketEvent[] = [];
  let joined = 0;
  await follow(
    "/v1/stream",
    {
      event: (e) => {
        events.push(e);
        if (events.length === 3) stop.abort();
      },
      joined: () => joined++,
      state: (l) => states.push(l),
    },
    stop.signal,
  );
  expect(asked).toEqual([null, "1", "2"]);
  expect(events.map((e) => e.id)).toEqual(["1", "2", "3"]);
  expect(states).toEqual(["live", "stale", "live", "stale", "live"]);
  expect(joined).toBe(3);
});

test("a cursor that is refused is forgotten, or the page would be stale for ever", async () => {
  const asked: (string | null)[] = [];
  const answers = [
    () => new Response(": ping\nid: 41\n\n"),
    () => new Response("{}", { status: 422 }),
    () => new Response(""),
  ];
  const stop = new AbortController();
  globalThis.fetch = (_, init) => {
    asked.push(new Headers(init?.headers).get("Last-Event-ID"));
    if (asked.length === answers.length) stop.abort();
    return Promise.resolve(answers[asked.length - 1]?.() ?? new Response(""));
  };
  const nothing = () => undefined;
  await follow("/v1/stream", { event: nothing, joined: nothing, state: nothing }, stop.signal);
  expect(asked).toEqual([null, "41", null]);
});

test("paths lead where they say and nowhere else", () => {
  expect(routeOf("/")).toEqual({ page: "market" });
  expect(routeOf("/bounties/12")).toEqual({ page: "bounty", id: 12 });
  expect(routeOf("/bounties/012")).toEqual({ page: "unknown" });
  expect(routeOf("/bounties/12/x")).toEqual({ page: "unknown" });
  expect(routeOf("/agents/TJRabPrwbZy45sbavfcjinPJC18kjpRTv8")).toMatchObject({ page: "agent" });
  expect(routeOf("/agents/..")).toEqual({ page: "unknown" });
  expect(routeOf("/proofs/3/81")).toEqual({ page: "trail", lease: 3, epoch: 81 });
  expect(routeOf("/proofs/3")).toEqual({ page: "unknown" });
  expect(routeOf("/proofs/3/081")).toEqual({ page: "unknown" });
  expect(routeOf("/run-an-agent/")).toEqual({ page: "run" });
});
