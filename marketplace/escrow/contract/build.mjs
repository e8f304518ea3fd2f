// Compiles the contracts beside this file and writes what Go embeds:
//
//   node build.mjs [--out folder] [--mutants]
//
// EverseedVault.json, TestBTT.json and testdata/Tokens.json go to --out (default: here), each
// {abi, bytecode, deployedBytecode, compiler}. The same sources give the same bytes on every
// machine, because the metadata hash is left out. With --mutants it instead compiles the vault once
// for each [name, find, replace] of testdata/mutants.json, to testdata/mutants.bin.gz.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const require = createRequire(import.meta.url);
const solc = require("solc");
const here = dirname(fileURLToPath(import.meta.url));

const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function option(name, fallback) {
  const i = process.argv.indexOf(name);
  return i < 0 ? fallback : process.argv[i + 1];
}

// findImport reads an import: of the contracts beside this file, or of node_modules.
function findImport(path) {
  const folder = path.startsWith("@") ? join(here, "node_modules") : here;
  try {
    return { contents: readFileSync(join(folder, path), "utf8") };
  } catch (err) {
    return { error: String(err) };
  }
}

// ours says whether a message must stop the build: every error, and warnings about our own files.
// A mutant may well leave something unused.
function ours(message) {
  const file = message.sourceLocation?.file ?? "";
  return message.severity === "error" || !(mutants || file.startsWith("@openzeppelin/"));
}

function source(path) {
  return readFileSync(join(here, `${path}.sol`), "utf8");
}

function run(input) {
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const faults = (output.errors ?? []).filter(ours);
  if (faults.length > 0) {
    throw new Error(faults.map((f) => f.formattedMessage).join("\n"));
  }
  return output;
}

function compile(path) {
  const name = basename(path);
  const file = `${name}.sol`;
  const sources = { [file]: { content: source(path) } };
  const { abi, evm } = run({ language: "Solidity", sources, settings }).contracts[file][name];
  return {
    compiler: `solc ${solc.version()}, evmVersion ${settings.evmVersion}, ` +
      `optimizer ${settings.optimizer.runs} runs`,
    abi,
    bytecode: evm.bytecode.object,
    deployedBytecode: evm.deployedBytecode.object,
  };
}

function write(path, json) {
  mkdirSync(dirname(join(out, `${path}.json`)), { recursive: true });
  writeFileSync(join(out, `${path}.json`), JSON.stringify(json, null, 1) + "\n");
}

// mutate makes one change to the vault, which must fit in one place exactly.
function mutate(files, folder, [name, find, replace]) {
  const fits = Object.values(files).reduce((n, text) => n + text.split(find).length - 1, 0);
  if (fits !== 1) throw new Error(`mutant "${name}" fits in ${fits} places`);
  return Object.entries(files).map(([file, text]) =>
    [`${folder}/${file}`, { content: text.replace(find, () => replace) }]);
}

// compileMutants returns bytecode by name. Several at a time share what the compiler does for the
// libraries. They are not optimized: what they do is the same, and there are many.
function compileMutants(files, mutants) {
  const bytecode = {};
  for (let i = 0; i < mutants.length; i += 10) {
    const batch = mutants.slice(i, i + 10);
    const sources = Object.fromEntries(batch.flatMap((m, j) => mutate(files, `m${j}`, m)));
    const { contracts } = run({ language: "Solidity", sources, settings: { ...settings,
      optimizer: { enabled: false },
      outputSelection: { "*": { EverseedVault: ["evm.bytecode.object"] } } } });
    for (const [j, [name]] of batch.entries()) {
      bytecode[name] = contracts[`m${j}/EverseedVault.sol`].EverseedVault.evm.bytecode.object;
    }
  }
  return bytecode;
}

// writeMutants writes what the mutants compile to, after a line with the hash of what they were made
// of and each one's name and size.
function writeMutants() {
  const list = readFileSync(join(here, "testdata/mutants.json"), "utf8");
  const names = ["Administered", "EverseedVault"];
  const files = Object.fromEntries(names.map((name) => [`${name}.sol`, source(name)]));
  const hash = createHash("sha256");
  for (const text of [...Object.values(files), list]) hash.update(text);
  const bytecode = compileMutants(files, JSON.parse(list));
  mkdirSync(join(out, "testdata"), { recursive: true });
  // Bytes, not digits: neighbours are alike, and so each lies in the other's window.
  const sizes = Object.entries(bytecode).map(([name, code]) => [name, code.length / 2]);
  const head = JSON.stringify({ sources: hash.digest("hex"), sizes }) + "\n";
  const bodies = Object.values(bytecode).map((code) => Buffer.from(code, "hex"));
  writeFileSync(join(out, "testdata/mutants.bin.gz"),
    gzipSync(Buffer.concat([Buffer.from(head), ...bodies]), { level: 9 }));
}

const out = option("--out", here);
const mutants = process.argv.includes("--mutants");
if (mutants) {
  writeMutants();
} else {
  for (const path of ["EverseedVault", "TestBTT", "testdata/Tokens"]) write(path, compile(path));
}
