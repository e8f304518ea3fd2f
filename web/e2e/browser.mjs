// What the browser tests stand on: a Chromium, what it complains about, and waiting for agreement.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { chromium } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-gpu",
];

/** launch starts the Chromium of this machine. */
export async function launch() {
  const path = [
    process.env.EVERSEED_CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ].find((p) => p && existsSync(p));
  if (path === undefined) {
    throw new Error("no Chromium found: install chromium, or name one in EVERSEED_CHROMIUM");
  }
  return chromium.launch({ executablePath: path, args: flags });
}

/** Watch gathers what a page must never do: complain, break its policy, talk to other hosts. */
export class Watch {
  complaints = [];
  deaf = false; // while a test breaks the network on purpose

  constructor(base) {
    this.origins = new Set([new URL(base).origin]);
  }

  async follow(page) {
    const note = (text) => this.deaf || this.complaints.push(text);
    page.on("console", (m) => {
      if (m.type() === "error" || m.type() === "warning") note(`console ${m.type()}: ${m.text()}`);
    });
    page.on("pageerror", (e) => note(`uncaught: ${e.message}`));
    page.on("request", (r) => {
      const { origin, protocol } = new URL(r.url());
      if (!this.origins.has(origin) && protocol !== "blob:")
        note(`asked a foreign host: ${r.url()}`);
    });
    await page.exposeFunction("reportViolation", (text) => note(`policy broken: ${text}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (e) => {
        window.reportViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`);
      });
    });
  }
}

/** Wire leads to a market and can be cut: what a reader's network does. */
export class Wire {
  sockets = new Set();

  constructor(base) {
    const { hostname, port } = new URL(base);
    this.server = createServer((near) => {
      const far = connect(Number(port || 80), hostname);
      for (const [a, b] of [
        [near, far],
        [far, near],
      ]) {
        this.sockets.add(a);
        a.pipe(b).on("error", () => a.destroy());
        a.on("error", () => b.destroy()).on("close", () => this.sockets.delete(a));
      }
    });
  }

  async lay(port = 0) {
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.port = this.server.address().port;
    return `http://localhost:${this.port}`;
  }

  /** cut ends every connection and refuses new ones, until it is laid again. */
  async cut() {
    const closed = new Promise((done) => this.server.close(done));
    for (const s of this.sockets) s.destroy();
    await closed;
  }
}

const axeSource = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** flaws returns what axe finds wrong with a page as it stands. */
export async function flaws(page) {
  await page.evaluate(await axeSource);
  const found = await page.evaluate(() =>
    window.axe.run(document, {
      resultTypes: ["violations"],
      selectors: false, // most of its time, and the markup names the place as well
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }),
  );
  return found.violations.map(
    (v) =>
      `${v.id} (${v.impact}): ${v.help}\n    ` +
      v.nodes
        .slice(0, 3)
        .map((n) => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ""}`)
        .join("\n    "),
  );
}

/**
 * agree asks both sides until they say the same: a live market moves between two questions, so one
 * disagreement means nothing, and disagreement for so long means that the page is wrong.
 */
export async function agree(what, page, market, seconds = 30) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const [shown, told] = [JSON.stringify(await page()), JSON.stringify(await market())];
    if (shown === told) return JSON.parse(told);
    if (Date.now() > until) {
      throw new Error(
        `${what}: after ${seconds} s the page shows\n    ${shown}\n  and the market says\n    ${told}`,
      );
    }
    await new Promise((done) => setTimeout(done, 300));
  }
}
