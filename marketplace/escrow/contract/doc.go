// Package contract holds the vault's Solidity and what it compiles to.
//
// EverseedVault.sol is the only program that ever holds other people's BTT; read it first. All that
// its admin can do is in Administered.sol. The JSON files beside them are committed, so that
// building Everseed needs no Node and no network; a test compiles the sources again and compares
// byte for byte. To rebuild them after a change:
//
//	npm ci && npm run build
//
// TestBTT.sol is a mintable stand-in for BTT where none exists. The vault is judged by rules on our
// own EVM, which answers as TRON's does, and by Foundry's fuzzer on its own (folder foundry). testdata
// holds tokens that misbehave, the mutants that the rules must kill (MUTANTS.md has their table;
// npm run mutants compiles them), and what each call takes in energy.
package contract
