// Package orderbook is the book of the market in Postgres: the only SQL, and the only place where
// posters, agents, auditors, the matcher and settlement meet.
//
// One exported method is one transaction and one sentence of the market's story. Every move is
// guarded by the state it starts from, so that two callers can never both win; every movement of
// money is a transfer from one account of the double-entry ledger to another; every change
// leaves one row in the event table. A transaction that lost a race is tried again; a process that
// dies in the middle leaves nothing behind.
//
// Time is an argument everywhere; SQL never asks for it.
package orderbook
