// Opens the page of a running market in a real Chromium and holds it against the market's own API:
//
//   node e2e/market.mjs BASE_URL [--shot FILE.png] [--shots DIR] [--wait SECONDS] [--still]
//
// The market needs a bounty, an offer, a call that traded and a proof; --wait is how long to wait
// for them (60). It must be moving too, because that is what is looked for; --still leaves that
// out.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { agree, flaws, launch, Watch, Wire } from "./browser.mjs";

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shot: { type: "string" },
    shots: { type: "string" },
    wait: { type: "string", default: "60" },
    still: { type: "boolean" },
  },
});
const base = positionals[0]?.replace(/\/$/, "");
if (base === undefined) {
  console.error(
    "usage: node e2e/market.mjs BASE_URL [--shot FILE] [--shots DIR] [--wait SECONDS] [--still]",
  );
  process.exit(2);
}

const ask = async (path) => {
  const answer = await fetch(base + path);
  if (answer.status === 429) {
    // page and test ask from one address
    await new Promise((done) =>
      setTimeout(done, 1000 * Number(answer.headers.get("Retry-After") ?? 1)),
    );
    return ask(path);
  }
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
};
const items = async (path) => (await ask(path)).items;
const ended = ["completed", "cancelled", "expired"];

/** What the market says, in the shape that the page is read in. */
const market = {
  bounties: async () =>
    (await items("/v1/bounties?limit=200"))
      .map((b) => ({
        id: b.id,
        name: b.name,
        state: b.state,
        replicas: ended.includes(b.state)
          ? `${b.terms.replicas} wanted`
          : `${b.proven}/${b.terms.replicas}`,
        money: [b.terms.price_max, b.reserved, b.spent],
      }))
      .sort((a, b) => a.id - b.id),
  offers: async () =>
    (await items("/v1/offers?limit=200"))
      .filter((o) => o.state !== "closed")
      .map((o) => ({
        id: o.id,
        agent: o.agent,
        price: o.terms.price_min,
        leases: String(o.leases),
      }))
      .sort((a, b) => a.id - b.id),
  deals: async () =>
    (await items("/v1/calls?limit=100"))
      .flatMap((c) => c.clearings.map((p) => ({ key: `${c.id} ${p.signature}`, price: p.price })))
      .slice(0, 6)
      .sort(byKey),
  proofs: async () =>
    (await items("/v1/proofs?limit=24"))
      .map((p) => ({
        key: `${p.lease}.${p.epoch}`,
        verdict: words(p.verdict),
        agent: p.agent,
        earned: p.earned,
      }))
      .sort(byKey),
  totals: async () => {
    const m = await ask("/v1/market");
    return { proven: String(m.proven), earned: m.earned, redeemed: m.redeemed };
  },
  leases: async (bounty) =>
    (await items(`/v1/leases?bounty=${bounty}&limit=200`))
      .map((l) => ({ id: l.id, agent: l.agent, state: l.state, earned: l.earned, held: l.held }))
      .sort((a, b) => a.id - b.id),
};
/** newsMax is shorter than the page's own rhythm of reading again: only the stream is as fast. */
const newsMax = 25_000;
const byKey = (a, b) => (a.key < b.key ? -1 : 1);
const words = (code) => code.replaceAll("_", " ");

/** What the page shows, read from its tables. Runs inside the page. */
function shown(what) {
  const rows = (title) =>
    [...document.querySelectorAll("section")]
      .filter((s) => s.querySelector("h2")?.textContent === title)
      .flatMap((s) => [...s.querySelectorAll("tbody tr")]);
  const text = (el, selector) => el.querySelector(selector)?.textContent ?? "";
  const money = (el) => [...el.querySelectorAll("data.money")].map((d) => d.value);
  const key = (a, b) => (a.key < b.key ? -1 : 1);
  const agent = (el) =>
    el.querySelector("a[href^='/agents/']")?.getAttribute("href").slice(8) ?? "";
  switch (what) {
    case "bounties":
      return rows("Bounties")
        .map((r) => ({
          id: Number(r.dataset.key),
          name: text(r, "th bdi"),
          state: text(r, ".state"),
          replicas: text(r, ".replicas .of") || text(r, ".replicas"),
          money: money(r),
        }))
        .sort((a, b) => a.id - b.id);
    case "offers":
      return rows("Offers")
        .map((r) => ({
          id: Number(r.dataset.key),
          agent: agent(r),
          price: money(r)[0],
          leases: text(r, "td:nth-child(6)"),
        }))
        .sort((a, b) => a.id - b.id);
    case "deals":
      return rows("Clearing prices")
        .map((r) => ({ key: r.dataset.key, price: money(r)[0] }))
        .sort(key);
    case "proofs":
      return rows("Proofs")
        .map((r) => ({
          key: r.dataset.key,
          verdict: text(r, ".state"),
          agent: agent(r),
          earned: money(r)[0],
        }))
        .sort(key);
    case "totals": {
      const total = (name) => document.querySelector(`[data-total=${name}]`);
      return {
        proven: total("proven")?.textContent,
        earned: total("earned")?.querySelector("data").value,
        redeemed: total("redeemed")?.querySelector("data").value,
      };
    }
    case "leases":
      return rows("Leases")
        .map((r) => ({
          id: Number(r.dataset.key),
          agent: agent(r),
          state: text(r, ".state"),
          earned: money(r)[1],
          held: money(r)[2],
        }))
        .sort((a, b) => a.id - b.id);
  }
}

const watch = new Watch(base);
const browser = await launch();
const open = async (path, options = {}, at = base) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await watch.follow(page);
  await page.goto(at + path);
  return page;
};
/** showAll ticks the box that shows ended bounties too, wherever there are any. */
const showAll = async (page) => {
  await page.locator(".bounties tbody tr, .bounties .empty:not([aria-busy])").first().waitFor();
  const box = page.getByLabel(/^Show \d+ ended$/);
  if ((await box.count()) > 0) await box.check();
};
const isLive = (page, seconds = 20) =>
  page.getByText("Live", { exact: true }).waitFor({ timeout: seconds * 1000 });

/** steps is the whole test, in order. Each is a sentence that would be false if the page broke. */
const steps = {
  async "the market has a bounty, an offer, a call that traded and a proof"() {
    const until = Date.now() + Number(args.wait) * 1000;
    for (const what of ["bounties", "offers", "deals", "proofs"]) {
      while ((await market[what]().catch(() => [])).length === 0) {
        if (Date.now() > until) throw new Error(`no ${what} within ${args.wait} s`);
        await new Promise((done) => setTimeout(done, 500));
      }
    }
  },

  async "the page shows what the API says, to the last decimal"() {
    const page = await open("/");
    await isLive(page);
    await showAll(page);
    for (const what of ["bounties", "offers", "deals", "proofs", "totals"]) {
      const told = await agree(
        what,
        () => page.evaluate(shown, what),
        () => market[what](),
      );
      console.log(
        `     ${what}: ${Array.isArray(told) ? `${told.length} rows` : JSON.stringify(told)}`,
      );
    }
    const s = await ask("/v1/solvency");
    const says = await page.locator(".solvency-line .state").textContent();
    if ((says === "Covered") !== (!s.frozen && !s.difference)) {
      throw new Error(`solvency reads ${says} for ${JSON.stringify(s)}`);
    }
    await page.context().close();
  },

  async "news arrive without reload"() {
    if (args.still) return console.log("     left out (--still)");
    const page = await open("/");
    await isLive(page);
    await showAll(page);
    await page.evaluate(() => {
      window.openedOnce = true;
    });
    const before = (
      await agree(
        "proofs",
        () => page.evaluate(shown, "proofs"),
        () => market.proofs(),
      )
    ).map((p) => p.key);
    await page.waitForFunction(
      (known) =>
        [...document.querySelectorAll("section.feed tbody tr")].some(
          (row) => !known.includes(row.dataset.key),
        ),
      before,
      { timeout: newsMax },
    );
    await agree(
      "bounties",
      () => page.evaluate(shown, "bounties"),
      () => market.bounties(),
    );
    if (!(await page.evaluate(() => window.openedOnce === true)))
      throw new Error("the page was reloaded");
    await page.context().close();
  },

  async "a bounty's page shows its leases, its proofs and its infohash"() {
    const [lease] = await items("/v1/leases?limit=1");
    const bounty = await ask(`/v1/bounties/${lease.bounty}`);
    const page = await open(`/bounties/${bounty.id}`);
    await page.getByRole("heading", { level: 1, name: bounty.name }).waitFor();
    await page.getByText(bounty.terms.infohash, { exact: true }).waitFor();
    await agree(
      "leases",
      () => page.evaluate(shown, "leases"),
      () => market.leases(bounty.id),
    );
    await page.locator("svg.strip[role=img]").first().waitFor();
    await page.context().close();
  },

  async "an agent's page shows its offer"() {
    const [offer] = await items("/v1/offers?limit=1");
    const page = await open(`/agents/${offer.agent}`);
    await page.getByText(offer.terms.region, { exact: true }).waitFor();
    await page.context().close();
  },

  async "the auditors' page names all of them"() {
    const page = await open("/auditors");
    const keys = (rows) => rows.map((row) => row.dataset.key).sort();
    await agree(
      "auditors",
      () => page.locator("tbody tr").evaluateAll(keys),
      async () => (await items("/v1/auditors?limit=200")).map((a) => a.terms.auditor).sort(),
    );
    await page.context().close();
  },

  async "everything is reached by keyboard, and Back leads back"() {
    const page = await open("/");
    await page.locator(".bounties tbody th a").first().waitFor();
    await page.keyboard.press("Tab");
    const first = await page.evaluate(() => document.activeElement.textContent);
    if (first !== "To the content")
      throw new Error(`the first stop is ${first}, not the skip link`);
    await page.keyboard.press("Enter");
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement.matches(".bounties th a"))) break;
    }
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    if (ring !== "solid") throw new Error("a focused link has no ring");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/bounties/*");
    await page.goBack();
    await page.locator(".bounties tbody th a").first().waitFor();
    await page.context().close();
  },

  async "the theme follows the machine until the reader chooses, and the choice stays"() {
    const page = await open("/", { colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.getByRole("button", { name: /^Theme: system/ }).click();
    const light = await ground();
    if (light === dark) throw new Error("choosing light changed nothing");
    await page.reload();
    if ((await ground()) !== light) throw new Error("the choice was forgotten");
    await page.context().close();
  },

  async "a page that lost the market says so, and recovers by itself"() {
    const wire = new Wire(base);
    const near = await wire.lay();
    watch.origins.add(near);
    const page = await open("/", {}, near);
    await isLive(page);
    watch.deaf = true; // a browser complains of requests that fail
    await wire.cut();
    await page.getByText(/^Not live\. Figures are as of /).waitFor({ timeout: 10_000 });
    await wire.lay(wire.port);
    await isLive(page, 30);
    await page.getByText(/^Not live/).waitFor({ state: "detached" });
    watch.deaf = false;
    await agree(
      "proofs",
      () => page.evaluate(shown, "proofs"),
      () => market.proofs(),
    );
    await page.context().close();
    await wire.cut();
  },

  async "axe finds nothing and nothing overflows, light and dark, desk and phone"() {
    const [lease] = await items("/v1/leases?limit=1");
    const main = ["/", `/bounties/${lease.bounty}`, `/agents/${lease.agent}`];
    const all = [...main, "/calls", "/auditors", "/solvency", "/run-an-agent", "/nowhere"];
    if (args.shots !== undefined) await mkdir(args.shots, { recursive: true });
    // The themes differ in colours alone and the widths in layout alone, so two looks see both;
    // axe takes seconds a page, so what the second look shares with the first it leaves out.
    const looks = [
      ["light", 1440, "light", all],
      ["phone", 390, "dark", all],
    ];
    if (args.shots !== undefined) looks.push(["dark", 1440, "dark", main]);
    for (const [name, width, colorScheme, paths] of looks) {
      const page = await open("/", {
        viewport: { width, height: 900 },
        colorScheme,
        reducedMotion: "reduce",
      });
      for (const path of paths) await look(page, path, name);
      await page.context().close();
    }
  },
};

async function look(page, path, name) {
  await page.goto(base + path);
  await isLive(page);
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
  const again = name === "dark" || (name === "phone" && !/^\/(bounties.*|agents.*)?$/.test(path));
  const found = again ? [] : await flaws(page);
  if (found.length > 0) throw new Error(`${path} (${name}):\n  ${found.join("\n  ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) throw new Error(`${path} (${name}) is ${over} px wider than the screen`);
  if (args.shots !== undefined) {
    const file = `${name}${path === "/" ? "-market" : path.split("/").slice(0, 2).join("-")}.png`;
    await page.screenshot({ path: join(args.shots, file), fullPage: true });
  }
  if (args.shot !== undefined && path === "/" && name === "light") {
    await page.screenshot({
      path: args.shot,
      clip: { x: 0, y: 0, width: 1440, height: 1300 },
      fullPage: true,
    });
  }
}

let failed = 0;
for (const [sentence, step] of Object.entries(steps)) {
  const began = Date.now();
  try {
    await step();
    console.log(`ok   ${sentence} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (err) {
    failed++;
    console.log(`FAIL ${sentence}\n  ${err.message}`);
  }
}
for (const complaint of new Set(watch.complaints)) {
  failed++;
  console.log(`FAIL the page keeps to its policy and complains of nothing\n  ${complaint}`);
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
