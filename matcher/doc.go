// Package matcher holds the call: the one place where bounties meet offers.
//
// [Clear] is pure. It takes a frozen book and the rules and returns the call: who fills which
// replica at what price, with a reason in numbers for everyone who got nothing. Only stored
// fields decide, so anyone with the same input computes the same call, hash and all.
//
// A call goes replica by replica: every bounty gets its k-th replica before any gets its k+1-th,
// from the cheapest offer that meets its limits. Bounties with the same signature pay one price.
// [NewQuote] asks the same code what a bounty would get before it is posted.
//
// [Matcher] is the worker: the leader freezes the book, clears it and records the call.
package matcher
