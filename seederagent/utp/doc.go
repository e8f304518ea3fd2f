// Package utp stands in for github.com/anacrolix/go-utp, which anacrolix/torrent imports and which
// the module proxy does not serve at the version it asks for. It has that package's API, over
// github.com/anacrolix/utp v0.1.0, which is pure Go.
//
// The module is a leaf. Delete this folder and the replace line in go.mod on the day the real one
// resolves, and run the tests of uTP in seederagent/swarm and marketplace/audit: they know nothing
// of what is in here.
//
// # What is added, and why
//
// The library by itself has no congestion control. It sends 256 packets, and each again when it
// believes it lost, which it also does of packets that are merely on their way. Over a line like a
// home's (5 Mbit/s, a queue of 64 packets, 20 ms each way) 4 MB took 18.8 s, three times what the
// line needs, with 2.8 times the bytes on it; both ways at once it broke off after 0.7 MiB.
//
// So a watch lies between it and the UDP socket. It sees every packet and keeps a flow for each
// stream: how large a window the line bears, by LEDBAT (RFC 6817, BEP 29), which fills a line that
// nobody else uses and makes room for all others; what was lost, by the acknowledgements of what
// was sent later; and when to send it again. The library obeys because it is shown no larger
// window of the peer than the flow's, and what it sends again by itself is dropped.
//
// A stream that a stranger began is sent nothing twice until the stranger has heard us, and what
// does not acknowledge what we sent is none of it: else anybody could have us send to others, or
// speak under their addresses.
//
// Over the same line 4 MB now take 7.1 s one way, with 1.04 times the bytes, and 8.8 s both ways at
// once, with 1.07; at 0.5 Mbit/s 1 MB both ways takes 19 s, which is 1.13 times what the line needs.
// With 1 % of packets lost by chance besides, 11 s. A stream fills up to 3.5 MB/s at a round trip of
// 100 ms, which is the library's own bound. (A relay on a machine with two busy cores.)
//
// # What else could be had
//
//   - github.com/zen-eth/utp-go has congestion control, but reads a stream only to its end, which
//     is no connection for BitTorrent, and needs go-ethereum.
//   - The real go-utp, storj's port of libutp, arxodeus/utp and h2so5/utp are not served by the
//     module proxy.
package utp
