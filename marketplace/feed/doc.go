// Package feed tells workers and other processes that the book has changed, so that they look at
// it now and not at their next tick.
//
// A [Relay] reads the book's events as they are committed and hands them to a [Feed], which wakes
// whoever asked for their kind, in this process and through NATS in others. Nothing depends on
// it: a message says only that there is something to read, several become one, and losing all
// of them costs time and nothing else. Without NATS a feed still serves its own process.
package feed
