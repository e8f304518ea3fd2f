// Package line is a home's line for tests of uTP: a relay for UDP on this machine with a rate, a
// queue, a delay and losses. A test reads from it what went in, and how much of that it dropped.
package line
