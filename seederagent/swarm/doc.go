// Package swarm fetches, verifies and serves torrents. It is the only door to the torrent
// library, whose API is wide and whose defaults suit a desktop program: the door has an [Engine]
// that holds torrents below one folder, and [Fetch] for a plain download.
//
// What the library does not do is done here. Storage cannot leave its folder, keeps part of the
// disk free, and believes its own record of verified pieces only when nothing was written since
// the record reached the disk. Every connection, in or out, passes a guard against addresses
// that a stranger has no business sending us to; over TCP by the door, over uTP by lanes beside it.
// Some pass the library by: the engine calls a peer, or hands out one that is waited for, for an
// owner who carries visits to others. What is served is not hashed again by the
// library, so Scrub does that from time to time. And in the quiet window of a torrent, which an
// auditor's ticket opens, whatever is written to its other peers waits at the door.
package swarm
