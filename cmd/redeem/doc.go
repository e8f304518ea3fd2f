// Package redeem is how a person brings cheques to the vault without the market: the flags, the
// table of what each would pay, and the run. `everseed-agent redeem` and `everseed-auditor redeem`
// give it a purse, `everseed cheque redeem` a file. It also lists what is in a purse.
package redeem
