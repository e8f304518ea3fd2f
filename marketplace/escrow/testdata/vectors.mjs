// Computes vectors.json with TRON's own JavaScript library, and checks every digest against a second
// implementation before it writes it. Run once, in a folder of its own:
//
//   npm install tronweb@6.5.1 @metamask/eth-sig-util@8.2.0
//   node vectors.mjs > vectors.json
import { SignTypedDataVersion, signTypedData, TypedDataUtils } from "@metamask/eth-sig-util";
import { TronWeb, Trx, utils } from "tronweb";

const chequeTypes = {
  Cheque: [
    { name: "from", type: "address" },
    { name: "mandate", type: "bytes32" },
    { name: "to", type: "address" },
    { name: "cumulative", type: "uint256" },
    { name: "bytes", type: "uint64" },
  ],
};
const payoutTypes = {
  Payout: [
    { name: "cheque", type: "bytes32" },
    { name: "recipient", type: "address" },
  ],
};
const domainType = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
];
const keys = ["01", "a1", "f00d", "deadbeef"].map((tail) => tail.padStart(64, "0"));
const accounts = keys.map((key) => utils.address.fromPrivateKey(key));
const btt = "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4";
const mandate = "5b".repeat(31) + "01";

const cases = [
  { chain: 728126428n, vault: btt, key: 0, from: 1, to: 2, mandate, units: "1", bytes: "0" },
  { chain: 3448148188n, vault: btt, key: 0, from: 1, to: 2, mandate, units: "1", bytes: "0" },
  { chain: 3360022319n, vault: accounts[3], key: 1, from: 0, to: 3, mandate: "00".repeat(32),
    units: "123456789012345678901234567", bytes: "18446744073709551615" },
  { chain: 728126428n, vault: accounts[2], key: 2, from: 3, to: 3, mandate: "ff".repeat(32),
    units: "9999999999999999999999999999999999999999", bytes: "1073741824" },
  // Only the low four bytes of block.chainid are signed.
  { chain: (0x1234n << 32n) | 728126428n, vault: btt, key: 3, from: 1, to: 2, mandate,
    units: "1000000000000000000", bytes: "7" },
];

const hex20 = (base58) => "0x" + utils.address.toHex(base58).slice(2);

// sign signs a struct of one type, and again with the other library.
function sign(types, c, value, key) {
  const name = { name: "Everseed Vault", version: "1" };
  const chainId = (c.chain & 0xffffffffn).toString();
  const domain = { ...name, chainId, verifyingContract: c.vault };
  const digest = utils._TypedDataEncoder.hash(domain, types, value);
  const signature = Trx._signTypedData(domain, types, value, key);

  const [primaryType] = Object.keys(types);
  const message = { ...value };
  for (const { name, type } of types[primaryType]) {
    if (type === "address") message[name] = hex20(message[name]);
  }
  const data = { primaryType, types: { EIP712Domain: domainType, ...types },
    domain: { ...domain, verifyingContract: hex20(c.vault) }, message };
  const again = "0x" + TypedDataUtils.eip712Hash(data, SignTypedDataVersion.V4).toString("hex");
  const signed = signTypedData({ data, version: SignTypedDataVersion.V4,
    privateKey: Buffer.from(key, "hex") });
  if (again !== digest || signed !== signature) throw new Error("two libraries, two digests");
  return { digest: digest.slice(2), signature: signature.slice(2) };
}

// cheque signs a cheque by its signer, and its payout to another account by its payee.
function cheque(c) {
  const value = { from: accounts[c.from], mandate: "0x" + c.mandate, to: accounts[c.to],
    cumulative: c.units, bytes: c.bytes };
  const { digest, signature } = sign(chequeTypes, c, value, keys[c.key]);
  const recipient = accounts[(c.to + 1) % accounts.length];
  const payout = sign(payoutTypes, c, { cheque: "0x" + digest, recipient }, keys[c.to]);
  return { key: keys[c.key], signer: accounts[c.key], chain_id: c.chain.toString(),
    vault: c.vault, from: value.from, mandate: c.mandate, to: value.to, units: c.units,
    bytes: c.bytes, digest, signature,
    payout: { key: keys[c.to], recipient, ...payout } };
}

const texts = ["", "Everseed", "zwölf Boxkämpfer 🌱\nsecond line", "x".repeat(1000)];
const tron = new TronWeb({ fullHost: "http://127.0.0.1:1" });
const signedTexts = [];
for (const [i, text] of texts.entries()) {
  const signature = await tron.trx.signMessageV2(text, keys[i]);
  signedTexts.push({ key: keys[i], signer: accounts[i], text, signature: signature.slice(2) });
}
console.log(JSON.stringify({ cheques: cases.map(cheque), texts: signedTexts }, null, 1));
