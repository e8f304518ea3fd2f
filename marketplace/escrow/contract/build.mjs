// Compiles the contracts beside this file and writes what Go embeds:
//
//   node build.mjs [--out folder] [--only name] [--source folder]
//
// EverseedVault.json and TestBTT.json go to --out (default: here), each {abi, bytecode,
// deployedBytecode, compiler}. The same sources give the same bytes on every machine,
// because the metadata hash is left out.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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

// findImport reads an import of node_modules.
function findImport(path) {
  try {
    return { contents: readFileSync(join(here, "node_modules", path), "utf8") };
  } catch (err) {
    return { error: String(err) };
  }
}

// ours says whether a message must stop the build: every error, and warnings about our own files.
function ours(message) {
  const file = message.sourceLocation?.file ?? "";
  return message.severity === "error" || !file.startsWith("@openzeppelin/");
}

function compile(name, folder) {
  const file = `${name}.sol`;
  const sources = { [file]: { content: readFileSync(join(folder, file), "utf8") } };
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

const out = option("--out", here);
const folder = option("--source", here);
const names = option("--only", "EverseedVault,TestBTT").split(",");
mkdirSync(out, { recursive: true });
for (const name of names) {
  const json = JSON.stringify(compile(name, folder), null, 1) + "\n";
  writeFileSync(join(out, `${name}.json`), json);
}
