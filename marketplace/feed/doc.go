// Package feed tells workers and other processes that the book has changed, so that they look at
// it now and not at their next tick.
//
// [Bus.Relay] reads the book's events as they are committed and wakes whoever asked for their
// kind with [Bus.Wake], in this process and through NATS in others. Nothing depends on it: a
// message says only that there is something to read, several become one, and losing all of them
// costs time and nothing else. Without NATS a bus still serves its own process.
package feed
