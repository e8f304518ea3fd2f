// Package settlement carries money between the vault on TRON and the book, and keeps the market's
// time: it reads solid blocks into the ledger, promises and opens audit epochs, has them judged, ends what
// waited too long, redeems cheques, and compares the vault with the ledger.
//
// A [Settler] remembers nothing that matters. What it is about to do is in the book before it is
// done, and what it finds there after a crash it carries on with, on the same path as ever:
// a redeeming transaction is written down, then sent until it is solid or can no longer become so,
// and only then is another one built.
//
// A difference between vault and ledger freezes redemptions and asks for a person. Everything
// else goes on.
package settlement
