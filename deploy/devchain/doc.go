// Package devchain is a TRON node for one machine. It serves the real node's gRPC (Wallet and
// WalletSolidity, on the generated protobufs) and, made from the same calls, the HTTP API that
// tronweb and TronLink use; it executes real contract bytecode with go-ethereum's EVM, so that
// everything that talks to TRON can be tried without TRON. README.md is for who runs it.
//
// Like the real one it signs nothing itself: clients build, sign and broadcast. Ids are the
// SHA-256 of raw_data, signatures are recovered against the owner, and reference block,
// expiration, duplicates and balances are checked, when a transaction comes in and again when a
// block takes it. Blocks come every BlockTime; a block is solid when 18 follow it.
//
// What was accepted is on disk before it is acknowledged, and what is solid is on disk too. A
// chain that was killed executes its log again; every block names the state after it, so it comes
// out the same or the start fails. States are kept in memory for the newest 36 blocks, headers
// and transactions for all: about 100 bytes for an empty block.
//
// It differs from TRON where that does not matter to a contract that keeps within both: energy
// is EVM gas at 100 sun, 63/64 of it go to a callee, CREATE inside a contract derives addresses
// as Ethereum does, there are no TRC-10 tokens, nothing is staked and no bandwidth is free. It
// misbehaves on demand: within the process by Reorg and Misbehave and their short forms, from
// outside by a control port on loopback, which also makes blocks and gives TRX from a faucet that
// every new chain has. No program that holds real money may import it.
package devchain
