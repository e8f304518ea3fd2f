// Package feed tells the market's processes over NATS that the book changed, so that they look at
// once instead of at their next tick.
//
// The book is the truth and its event table the only record. What goes over NATS is the news that
// there is news: losing every message, or NATS itself, costs waiting and nothing else. A Relay
// reads the event table for all; everybody else listens with Wake.
package feed
