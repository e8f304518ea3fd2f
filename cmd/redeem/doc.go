// Package redeem is how a person brings cheques to the vault without the market: the flags, the
// table of what each would pay, and the run. `everseed-agent redeem` gives it the agent's purse,
// `everseed cheque redeem` a file.
package redeem
