// Compiles the contracts beside this file and writes what Go embeds:
//
//   node build.mjs [--out folder] [--only names] [--mutants file]
//
// EverseedVault.json, TestBTT.json and testdata/Tokens.json go to --out (default: here), each
// {abi, bytecode, deployedBytecode, compiler}. The same sources give the same bytes on every
// machine, because the metadata hash is left out. With --mutants the vault is compiled once for each
// [name, find, replace] of the file, to 0.json, 1.json and so on.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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

function compile(path, sources) {
  const name = basename(path);
  const file = `${name}.sol`;
  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const faults = (output.errors ?? []).filter(ours);
  if (faults.length > 0) {
    throw new Error(faults.map((f) => f.formattedMessage).join("\n"));
  }
  const { abi, evm } = output.contracts[file][name];
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

// mutate makes one change, which must fit in one place exactly.
function mutate(files, [name, find, replace]) {
  const fits = Object.values(files).reduce((n, text) => n + text.split(find).length - 1, 0);
  if (fits !== 1) throw new Error(`mutant "${name}" fits in ${fits} places`);
  return Object.fromEntries(Object.entries(files).map(([file, text]) =>
    [file, { content: text.replace(find, () => replace) }]));
}

const out = option("--out", here);
const mutants = option("--mutants", "");
if (mutants) {
  settings.optimizer.enabled = false; // what they do is the same, and there are many
  const files = {};
  for (const name of ["EverseedVault", "Administered"]) files[`${name}.sol`] = source(name);
  for (const [i, mutant] of JSON.parse(readFileSync(mutants, "utf8")).entries()) {
    write(i, compile("EverseedVault", mutate(files, mutant)));
  }
} else {
  for (const path of option("--only", "EverseedVault,TestBTT,testdata/Tokens").split(",")) {
    const sources = { [`${basename(path)}.sol`]: { content: source(path) } };
    write(path, compile(path, sources));
  }
}
