// Package tracker is a small BitTorrent tracker for tests and the devnet: announce and scrape over
// HTTP (BEP 3, 7, 23, 48), everything in memory and bounded. Public trackers want whitelists or
// answer slowly; the market's own torrents need neither.
//
// A [Tracker] is an http.Handler. Peers that stop announcing are forgotten after two intervals. It
// trusts the address that a request comes from and no address in it.
package tracker
