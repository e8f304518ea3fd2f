// Package purse keeps signed cheques on disk and brings them to the vault without the market.
//
// What lies in a purse is all that it takes: the cheque with its signatures, and where its vault
// is. None of it is trusted: who may sign, what was paid before and what is left is asked of the
// chain, and what the chain would refuse is not sent.
//
// A redeeming transaction is written down beside its cheque before it is sent. Whoever comes
// later, after a crash or in another process, sends the same bytes again until they are solid or
// can no longer become so. Only then is another one built.
package purse
