// Package escrow is the market's door to TRON: keys and signatures, cheques, and the vault.
//
// A [Key] signs cheques, texts and transactions. A cheque's digest is TIP-712 over the [Domain]
// of one vault on one chain, so that it is worth nothing anywhere else. The vault itself is in
// package contract; [Vault] is its client over a node's gRPC.
//
// Writing is staged: a Build method has the node make a transaction, compares every field with
// what was asked and signs it; the caller stores the [Staged] bytes, and only then sends them.
// Sending the same bytes twice is sending once. [Vault.Outcome] says how it ended, and when the
// transaction can no longer end: only then may another one be built for the same purpose.
// What the market believes of the chain comes from solid blocks alone.
package escrow
