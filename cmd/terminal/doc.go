// Package terminal is what the five programs share at their edge to a person: how they start and
// stop, what an error looks like, where a key comes from, and how a table is drawn. It decides
// nothing about the market.
package terminal
