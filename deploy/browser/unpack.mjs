// Unpacks the npm package's Chromium beside it, with the libraries, the software renderer and the
// fonts that a machine without a desktop lacks, and writes a script that starts it with them.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const modules = join(dirname(fileURLToPath(import.meta.url)), "node_modules");
const packed = (name) =>
  brotliDecompressSync(readFileSync(join(modules, "@sparticuz/chromium/bin", name)));
const home = join(modules, ".chromium");

rmSync(home, { recursive: true, force: true });
mkdirSync(home, { recursive: true });
for (const name of ["al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br"]) {
  execFileSync("tar", ["-x", "-C", home], { input: packed(name) });
}
writeFileSync(join(home, "fonts.conf"), `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${home}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${home}/fonts-cache</cachedir>
</fontconfig>
`);
writeFileSync(join(home, "headless_shell"), packed("chromium.br"), { mode: 0o755 });
writeFileSync(join(home, "chromium"), `#!/bin/sh
export LD_LIBRARY_PATH='${home}/lib' FONTCONFIG_PATH='${home}'
exec '${home}/headless_shell' "$@"
`, { mode: 0o755 });
