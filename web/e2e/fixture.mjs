// A pretend market for working on the page's looks without a devnet: invented nouns in the shape of
// the API, a clock, and an event stream. Nothing is asserted about the product here; the story of
// everseed-devnet runs market.mjs against the real one.
//
//   node e2e/fixture.mjs [--port 8099] [--then-look [--shots DIR]] [--empty]
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { answer, at, call, calls, empty, epochNow, judge } from "./invented.mjs";

const { values: args } = parseArgs({
  options: {
    port: { type: "string", default: "8099" },
    "then-look": { type: "boolean" },
    shots: { type: "string" },
    empty: { type: "boolean" },
  },
});
const policy =
  "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'; " +
  "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const dist = new URL("../dist/", import.meta.url).pathname;

const readers = new Set();
let cursor = 0;
function tell(kind, thing) {
  cursor++;
  for (const r of readers)
    r.write(
      `id: ${cursor}\nevent: ${kind}\ndata: ${JSON.stringify({ id: String(cursor), kind, thing, at: at(Date.now()) })}\n\n`,
    );
}
if (!empty) {
  let seen = epochNow();
  setInterval(() => {
    if (epochNow() === seen) return;
    judge(seen, Date.now());
    seen = epochNow();
    tell("proof.pass", 1);
    calls.unshift(call(calls[0].id + 1, Date.now()));
    tell("call.cleared", calls[0].id);
  }, 200).unref();
}

const kinds = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const server = createServer(async (req, res) => {
  const url = new URL(req.url, "http://localhost");
  if (url.pathname === "/v1/stream") {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write(": hello\n\n");
    readers.add(res);
    req.on("close", () => readers.delete(res));
    return;
  }
  if (url.pathname.startsWith("/v1/")) {
    const body = answer(url);
    res.writeHead(body === undefined ? 404 : 200, { "Content-Type": "application/json" });
    res.end(
      JSON.stringify(body ?? { title: "not found", status: 404, detail: "there is no such thing" }),
    );
    return;
  }
  const name = normalize(extname(url.pathname) === "" ? "/index.html" : url.pathname);
  const file = await readFile(join(dist, name)).catch(() => undefined);
  res.writeHead(file === undefined ? 404 : 200, {
    "Content-Type": kinds[extname(name)] ?? "text/plain",
    "Content-Security-Policy": policy,
  });
  res.end(file);
});
server.listen(Number(args.port), "127.0.0.1", () => {
  const base = `http://localhost:${server.address().port}`;
  console.log(base);
  if (!args["then-look"]) return;
  const script = new URL("market.mjs", import.meta.url).pathname;
  const more = args.shots === undefined ? [] : ["--shots", args.shots];
  const look = spawn(process.execPath, [script, base, ...more], { stdio: "inherit" }).on(
    "exit",
    (code) => process.exit(code ?? 1),
  );
  process.on("SIGTERM", () => look.kill());
});
