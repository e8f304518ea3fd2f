// Presses what vite built: every text file of 1 kB or more gets a .br and a .gz beside it, which
// the Go handler sends to readers that take them. Fonts and images are pressed already.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const dist = new URL("dist/", import.meta.url).pathname;
const text = /\.(html|js|css|svg|json|txt|webmanifest)$/;
const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

let before = 0;
let after = 0;
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !text.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const body = await readFile(path);
  if (body.length < 1024) continue;
  const small = await promisify(brotliCompress)(body, best);
  await writeFile(`${path}.br`, small);
  await writeFile(`${path}.gz`, await promisify(gzip)(body, { level: 9 }));
  before += body.length;
  after += small.length;
}
console.log(`pressed ${before} bytes to ${after}`);
