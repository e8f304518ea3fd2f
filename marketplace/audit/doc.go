// Package audit asks agents for parts of what they are paid to keep, as any downloader would, and
// says what came.
//
// [Seed] turns a secret and a solid block into the one source of chance for an epoch; [Plan] and
// [Challenges] draw from it who asks whom, when and for what. All three are pure: when the secret
// is published, anyone can recompute them from the public log (proof.md, Audits). [Probe] is one
// try on the wire. An [Auditor] does an epoch's tries at their times, commits to what it found, and
// reports when all have committed: until then there is nothing that anybody could copy.
//
// A [Case] is an epoch before whoever recomputes it from its public log, and names all that is wrong
// with it. A [Content] is a copy by which every answer can be checked.
//
// # What is asked, and how anyone recomputes it
//
// A challenge is a block of 16 KiB. Blocks are drawn from the whole content, so n challenges find
// a missing part f with 1 − (1−f)^n, whatever the auditor knows: by default n is 96 a day (3
// auditors, 4 epochs, 8 blocks), which finds f = 10 % within the day with 99.996 %, 5 % with
// 99.3 %, 1 % with 62 %.
//
// A block can be checked alone only by who knows its SHA-256. A v1 torrent does not tell these, and
// of a v2 torrent the piece's root is known, not its leaves. So an auditor keeps them ([Leaves])
// from whole pieces that passed, whose hash the .torrent tells. In place of a block from another
// piece it asks for the whole piece. What an auditor knows in an epoch follows from the log: the
// pieces that answered whole, with a pass, in its own reports of earlier epochs for the same
// infohash. An auditor that lost its hashes asks for whole pieces anew; to ask for more than was
// due is never a fault, to ask for less is one.
//
// On top comes a whole piece about once a day and replica (Rules.WholeEvery), by lot for each
// auditor and epoch: it finds agents that keep only blocks that were asked for before.
//
// # What it costs
//
// [Spend] estimates a replica's audits in bytes a day. Reports say what was really spent (Wire).
// When the pieces are known, the defaults cost about 1.6 MiB and one piece a day: at most 1 % of
// the content from 192 MiB on. Below, 96 blocks are more than that, up to 2.5 % of the smallest
// billed size, and stay: to ask less would find less. Until the pieces are known it costs more, at
// most 16 MiB an audit: every piece is fetched whole once by every auditor, over the torrent's life
// and not the lease's, shared by all its replicas. Where 8 pieces are more than 16 MiB, fewer are
// asked for, and n is smaller until more are known.
package audit
