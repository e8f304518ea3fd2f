// Package devchain is a TRON node for one machine. It serves the real node's gRPC (Wallet and
// WalletSolidity, on the generated protobufs) and executes real contract bytecode with
// go-ethereum's EVM, so that everything that talks to TRON can be tried without TRON.
//
// Like the real one it signs nothing itself: clients build, sign and broadcast. Ids are the
// SHA-256 of raw_data, signatures are recovered against the owner, and reference block,
// expiration and duplicates are checked. Blocks come every BlockTime; a block is solid when 18
// follow it. What was accepted is on disk before it is acknowledged, and a chain that was killed
// takes up where it was: the log is executed again from the first block.
//
// It differs from TRON where that does not matter to a contract that keeps within both: energy
// is EVM gas, CREATE inside a contract derives addresses as Ethereum does, and 63/64 of the gas
// go to a callee. It misbehaves on demand (Reorg, Drop, Busy, Outage). No program that holds
// real money may import it.
package devchain
