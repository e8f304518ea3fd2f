// Package marketplace is the vocabulary and the law of Everseed: what is bought, what is sold,
// how each thing may change, and how pay is reckoned. It does no I/O, reads no clock and starts
// no goroutine, so every rule here can be tested by calling it.
//
// A poster's [Bounty] asks for replicas of a torrent. An agent's [Offer] sells capacity. A call
// of the matcher turns the two into a [Lease]: one agent's duty towards one bounty at a fixed
// price. Auditors prove a lease epoch by epoch; [Accrual] turns proofs into pay; a [Cheque]
// carries the pay to the vault on TRON.
//
// Money is an [Amount], never a float. Time is always an argument. The JSON form of a noun is
// its wire format: there is no second set of request structs.
package marketplace
