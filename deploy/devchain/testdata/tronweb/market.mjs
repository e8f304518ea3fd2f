// Drives the dev chain as a stranger with tronweb does: node market.mjs HTTP CONTROL CONTRACTS
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { TronWeb, utils } from "tronweb";

const [http, control, contracts] = process.argv.slice(2);
const person = () => utils.accounts.generateAccount();
const poster = person();
const payee = person();
const auditors = [person(), person(), person()];
const tron = new TronWeb({ fullHost: http, privateKey: poster.privateKey });
const { Interface } = utils.ethersUtils;

async function order(path, body) {
  const response = await fetch(control + path, { method: "POST", body: JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

/** Waits for a transaction's info, on the head or on what is solid. */
async function info(id, solid = false) {
  for (let tries = 0; tries < 2000; tries++) {
    const found = await (solid
      ? tron.trx.getTransactionInfo(id)
      : tron.trx.getUnconfirmedTransactionInfo(id));
    if (found.id) return found;
    await new Promise((next) => setTimeout(next, 10));
  }
  throw new Error(`${id} is in no block`);
}

async function succeeds(id) {
  const found = await info(id);
  assert.equal(found.receipt.result ?? "SUCCESS", "SUCCESS", JSON.stringify(found));
  return found;
}

async function send(tx) {
  const sent = await tron.trx.sendRawTransaction(await tron.trx.sign(tx));
  assert.equal(sent.result, true, JSON.stringify(sent));
  assert.equal(sent.txid, tx.txID, "the node has another id");
  return succeeds(tx.txID);
}

/** Deploys a contract that is built here; its address is known before it is sent. */
async function deploy(name, ...parameters) {
  const { abi, bytecode } = JSON.parse(await readFile(`${contracts}/${name}.json`, "utf8"));
  const tx = await tron.transactionBuilder.createSmartContract(
    { abi, bytecode, name, parameters, feeLimit: 1_500_000_000, userFeePercentage: 100 },
    poster.address.hex,
  );
  const done = await send(tx);
  assert.equal(done.contract_address, tx.contract_address.toLowerCase(), "address as predicted");
  const read = await tron.trx.getContract(tx.contract_address);
  assert.equal(read.contract_address, done.contract_address);
  assert.equal(read.name, name);
  assert.equal(read.abi.entrys.length, abi.length);
  const hex = done.contract_address;
  return { abi, hex, methods: tron.contract(abi, hex) };
}

const steps = {
  async "the node is there"() {
    assert.deepEqual(await tron.isConnected(), {
      fullNode: true,
      solidityNode: true,
      eventServer: false,
    });
    assert.deepEqual(await tron.trx.listNodes(), []);
    assert.match((await tron.trx.getNodeInfo()).block, /^Num:\d+,ID:[0-9a-f]{64}$/);
    const parameters = await tron.trx.getChainParameters();
    assert.equal(parameters.find((p) => p.key === "getEnergyFee").value, 100);
    assert.equal(await tron.trx.getEnergyPrices(), "0:100");
    assert.equal(await tron.trx.getBandwidthPrices(), "0:1000");
    assert.equal(await tron.trx.getBandwidth(poster.address.base58), 0);
    assert.deepEqual(await tron.trx.getAccountResources(poster.address.base58), {});
  },

  async "the faucet gives, and the balance is read"() {
    const { txid } = await order("/fund", { address: poster.address.base58, trx: 5000 });
    await info(txid, true);
    assert.equal(await tron.trx.getBalance(poster.address.base58), 5_000_000_000);
    const account = await tron.trx.getUnconfirmedAccount(poster.address.base58);
    assert.equal(account.address, poster.address.hex.toLowerCase());
    assert.deepEqual(await tron.trx.getUnconfirmedAccount(payee.address.base58), {});
  },

  async "a transfer that is built here is sent"() {
    const tx = await tron.transactionBuilder.sendTrx(payee.address.base58, 2_000_000);
    const done = await send(tx);
    assert.equal(done.fee, 1_100_000, "bandwidth and activation");
    assert.equal(await tron.trx.getUnconfirmedBalance(payee.address.base58), 2_000_000);
    const read = await tron.trx.getTransaction(tx.txID);
    assert.equal(read.raw_data_hex, tx.raw_data_hex);
    assert.deepEqual(read.ret, [{ contractRet: "SUCCESS" }]);
    const block = await tron.trx.getBlock(done.blockNumber);
    assert.ok(block.transactions.some((t) => t.txID === tx.txID));
    assert.equal((await tron.trx.getBlock(block.blockID)).blockID, block.blockID);
    assert.equal((await tron.trx.getBlockRange(0, 1)).length, 2);
    await info(tx.txID, true);
    assert.equal((await tron.trx.getConfirmedTransaction(tx.txID)).txID, tx.txID);
  },

  async "the node builds the same transaction"() {
    const asked = {
      owner_address: poster.address.base58,
      to_address: payee.address.base58,
      amount: 1_000_000,
      visible: true,
    };
    const made = await tron.fullNode.request("wallet/createtransaction", asked, "post");
    assert.equal(made.raw_data.contract[0].parameter.value.to_address, payee.address.base58);
    const { ref_block_bytes, ref_block_hash, expiration, timestamp } = made.raw_data;
    const tx = await tron.transactionBuilder.sendTrx(payee.address.base58, 1_000_000, undefined, {
      blockHeader: { ref_block_bytes, ref_block_hash, expiration, timestamp },
    });
    assert.equal(made.txID, tx.txID);
    assert.equal(made.raw_data_hex, tx.raw_data_hex);
    const signed = await tron.trx.sign(tx);
    const visible = await tron.trx.sendRawTransaction({ ...made, signature: signed.signature });
    assert.equal(visible.result, true, JSON.stringify(visible));
    await succeeds(tx.txID);
    const again = await tron.trx.sendRawTransaction(signed);
    assert.equal(again.code, "DUP_TRANSACTION_ERROR");
    asked.amount = 1e15;
    const refused = await tron.fullNode.request("wallet/createtransaction", asked, "post");
    assert.match(refused.Error, /balance is not sufficient/);
  },

  async "a signed transaction goes as hex too"() {
    const tx = await tron.transactionBuilder.sendTrx(payee.address.base58, 3);
    const signed = await tron.trx.sign(tx);
    const forged = { ...signed, signature: ["00".repeat(65)] };
    const refused = await tron.trx.sendRawTransaction(forged);
    assert.equal(refused.code, "SIGERROR");
    assert.match(tron.toUtf8(refused.message), /Validate signature error/);
    const pb = utils.transaction.txJsonToPb(signed);
    pb.addSignature(Uint8Array.from(Buffer.from(signed.signature[0].replace(/^0x/, ""), "hex")));
    const hex = Buffer.from(pb.serializeBinary()).toString("hex");
    const sent = await tron.trx.sendHexTransaction(hex);
    assert.equal(sent.result, true, JSON.stringify(sent));
    assert.equal(sent.transaction.txID, tx.txID);
    await succeeds(tx.txID);
  },

  async "token and vault lie where they were predicted"() {
    this.token = await deploy("TestBTT");
    this.vault = await deploy("EverseedVault", this.token.hex, 60);
    const at = await tron.contract().at(this.vault.hex); // with the ABI that the chain has
    assert.equal(await at.thawSeconds().call(), 60n);
    assert.equal(TronWeb.address.toHex(await at.token().call()).toLowerCase(), this.token.hex);
  },

  async "a poster deposits and opens a mandate"() {
    const { token, vault } = this;
    const mint = token.methods.mint(poster.address.hex, 1000n);
    await succeeds(await mint.send({ feeLimit: 100_000_000 }));
    await succeeds(await token.methods.approve(vault.hex, 1000n).send({ feeLimit: 100_000_000 }));
    auditors.sort((a, b) => (a.address.hex.toLowerCase() < b.address.hex.toLowerCase() ? -1 : 1));
    const expiry = Math.floor(Date.now() / 1000) + 3600;
    const opened = await succeeds(
      await vault.methods
        .depositAndOpen(800n, mandate, auditors.map((a) => a.address.hex), 2, 500n, expiry)
        .send({ feeLimit: 500_000_000 }),
    );
    const events = opened.log
      .filter((l) => "41" + l.address === vault.hex)
      .map((l) => parse(vault.abi, l).name);
    assert.deepEqual(events, ["Deposited", "MandateOpened"]);
    assert.equal(await vault.methods.balanceOf(poster.address.hex).call(), 800n);
  },

  async "a cheque that two auditors signed is redeemed"() {
    const { token, vault } = this;
    const cheque = {
      from: poster.address.hex,
      mandate,
      to: payee.address.hex,
      cumulative: 321n,
      bytes: 1n << 30n,
    };
    const domain = await domainOf(vault);
    const digest = await vault.methods
      .chequeDigest(cheque.from, mandate, cheque.to, cheque.cumulative, cheque.bytes)
      .call();
    assert.equal(utils._TypedDataEncoder.hash(domain, types, cheque), digest);
    const signatures = auditors
      .slice(0, 2)
      .map((a) => tron.trx.signTypedData(domain, types, cheque, a.privateKey).slice(2))
      .join("");
    const redeem = (by) =>
      vault.methods.redeem(
        cheque.from, mandate, cheque.to, cheque.cumulative, cheque.bytes, "0x" + by);
    const estimate = await tron.transactionBuilder.estimateEnergy(
      vault.hex,
      "redeem(address,bytes32,address,uint256,uint64,bytes)",
      { rawParameter: encode(vault.abi, "redeem", Object.values({ ...cheque, signatures })) },
      [],
    );
    const done = await succeeds(await redeem(signatures).send({ feeLimit: 500_000_000 }));
    assert.equal(done.receipt.energy_usage_total, estimate.energy_required);
    const redeemed = done.log.find((l) => "41" + l.address === vault.hex);
    const { name, args } = parse(vault.abi, redeemed);
    assert.equal(name, "Redeemed");
    assert.equal(args.amount, 321n);
    assert.equal(args.to.toLowerCase(), "0x" + payee.address.hex.slice(2).toLowerCase());
    assert.equal(await token.methods.balanceOf(payee.address.hex).call(), 321n);
    assert.equal(await vault.methods.paid(cheque.from, mandate, cheque.to).call(), 321n);

    const twice = await info(await redeem(signatures).send({ feeLimit: 500_000_000 }));
    assert.equal(twice.result, "FAILED");
    assert.equal(twice.receipt.result, "REVERT");
    assert.equal(tron.toUtf8(twice.resMessage), "REVERT opcode executed");
    assert.equal(await token.methods.balanceOf(payee.address.hex).call(), 321n);
  },

  async "what is solid is read from the solid blocks"() {
    const { token } = this;
    await order("/mine", { blocks: 20 });
    const solid = await tron.transactionBuilder.triggerConfirmedConstantContract(
      token.hex, "balanceOf(address)", {}, [{ type: "address", value: payee.address.hex }]);
    assert.equal(BigInt("0x" + solid.constant_result[0]), 321n);
    const head = (await tron.trx.getCurrentBlock()).block_header.raw_data.number;
    const below = (await tron.trx.getConfirmedCurrentBlock()).block_header.raw_data.number;
    assert.ok(below <= head && head - below < 100, `solid ${below}, head ${head}`);
  },
};

const mandate = "0x" + "5a".repeat(32);
const types = {
  Cheque: [
    { name: "from", type: "address" },
    { name: "mandate", type: "bytes32" },
    { name: "to", type: "address" },
    { name: "cumulative", type: "uint256" },
    { name: "bytes", type: "uint64" },
  ],
};

/** The domain. On TRON the chain's id is known; here the control port tells it. */
async function domainOf(vault) {
  const { chain_id } = await (await fetch(`${control}/chain`)).json();
  return {
    name: "Everseed Vault",
    version: "1",
    chainId: Number(BigInt(chain_id) & 0xffffffffn),
    verifyingContract: vault.hex,
  };
}

function parse(abi, log) {
  return new Interface(abi).parseLog({
    topics: log.topics.map((t) => "0x" + t),
    data: "0x" + (log.data ?? ""),
  });
}

function encode(abi, method, [from, id, to, cumulative, bytes, signatures]) {
  const evm = (address) => "0x" + address.slice(2);
  return new Interface(abi)
    .encodeFunctionData(method, [evm(from), id, evm(to), cumulative, bytes, "0x" + signatures])
    .slice(10);
}

const shared = {};
for (const [what, step] of Object.entries(steps)) {
  try {
    await step.call(shared);
  } catch (error) {
    console.error(`NOT TRUE: ${what}\n${error.stack}`);
    process.exit(1);
  }
  console.log(what);
}
