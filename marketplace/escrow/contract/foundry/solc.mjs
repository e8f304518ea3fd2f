#!/usr/bin/env node
// The compiler of build.mjs, npm's solc, with as much of the command line of the real solc as forge
// asks for: --version, and --standard-json from stdin to stdout.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)("solc");

if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log(`Version: ${solc.version().replace("Emscripten.clang", "Linux.g++")}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error(`solc.mjs cannot do: ${process.argv.slice(2).join(" ")}`);
  process.exitCode = 2;
}
