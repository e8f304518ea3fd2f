// Package audit asks agents for parts of what they are paid to keep, as any downloader would, and
// says what came.
//
// A secret and a solid block give the one source of chance for an epoch
// ([marketplace.AuditEpoch.Seed]); [Plan] and [Challenges] draw from it who asks whom, when and for
// what. All are pure: when the secret is published, anyone can recompute them from the public log
// (proof.md, Audits). [Probe] is one try on the wire, at an agent that listens; in a [Lobby] the
// auditor listens for one that nobody can connect to. A try goes over TCP or uTP first, as the seed
// has it, and over the other where that does not answer: an agent that answers on either passes. An
// [Auditor] does an epoch's tries at their times, commits to what it found, and reports when all have
// committed: until then there is nothing that anybody could copy.
//
// While an epoch lasts the market keeps the secret, and tells each auditor its own parts alone ([PartsOf]): to
// which leases it is sent, when, and a seed for what it asks there. No other part follows from them, so an
// auditor that tells a friend's agent all it knows gives away one visit of three. Times come drawn and not as a
// seed, because those that keep off a quiet window would tell when it is; only who visits in a window knows
// that, and what the burst in it asks all replicas of the torrent for. What it was told an auditor keeps as a
// [Roster], and holds against the secret when that is told, before it reveals a report or signs for the epoch.
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
// A block can be checked alone only by who knows its SHA-256. A v2 torrent tells the root of each
// piece's tree, and the peer proves the block by the hashes that lead there: so of v2 torrents,
// and of hybrids whose v2 half is whole, every challenge but the daily piece is a block, from the
// first day on, and follows from the seed and the .torrent alone. Hashes come by BEP 52, or from
// agents by messages of their own (metainfo.HashesExtension), which also works in hybrids. A
// proof is no part of a report: whoever has the torrent can make it.
//
// A v1 torrent tells nothing of blocks. So an auditor keeps their hashes ([Leaves]) from whole
// pieces that passed, whose hash the .torrent tells. In place of a block from another piece it asks
// for the whole piece. What an auditor knows in an epoch follows from the log: the pieces that
// answered whole, with a pass, in its own reports of earlier epochs for the same infohash. An
// auditor that lost its hashes asks for whole pieces anew.
//
// An agent that has the content of a v1 torrent knows these hashes, and may commit to their root when it
// says that it is ready (marketplace.Lease.Root): the root that BEP 52 would give one file with all of the
// torrent (metainfo.Torrent.Committed). Of a lease that is rooted (marketplace.Rules.Rooted), which follows
// from the public epoch, blocks are asked for alone as of a v2 torrent, and proven up to that root. A lease
// is rooted when it has passed three epochs (Rules.Seasoned), and when no other lease of its torrent has
// another root: all who have the content have the same. Until then whole pieces are asked for, and the peer
// must show by a path that its root has each of them, and each block whose hash the auditor knew; of a
// whole piece always. A path that leads to the root from another hash than that of what came proves that
// the root was made up, and is bad data: the answer's hash is the one that was committed to. Without a
// path, or with one that leads nowhere, which proves nothing, there is no pass (Timeout), but no data fault
// either. So a root that nobody can prove anything by is never paid for.
//
// To ask for more than was due is never a fault, to ask for less is one. A peer that gives no
// proof, or one that leads nowhere, is asked for the whole piece instead, in the same try; what
// it sent already is not asked for again. So nobody gains by proving nothing, and an agent that
// holds a hybrid whose halves disagree is judged by the half that it could check.
//
// Who commits to a root over made-up data, a part f of the pieces, would be asked for blocks of it that it can
// prove. Its first four epochs ask for 96 whole pieces, which it survives with (1−f)^96: 0.004 % at
// f = 10 %, 38 % at 1 %. After that the daily whole piece, the burst of a quiet window, and every auditor that
// knows a made-up piece from elsewhere still find it, and one is enough. With pieces above 2 MiB fewer fit
// into an audit (48 of 4 MiB in four epochs, 12 of 16 MiB), and it survives the more often. What it could win
// is the disk for a part that small, against its holdback and its name: in the trial (package trial), with 1 %
// made up, half are cut off after five epochs and 98 of 100 within thirty days.
//
// On top comes a whole piece about once a day and replica (Rules.WholeEvery), by lot for each
// auditor and epoch: it finds agents that keep only blocks that were asked for before.
//
// # Quiet windows
//
// Who fetches what it is asked for from other paid agents passes audits like who holds it. So about once
// a day (Rules.QuietEvery) a torrent has a quiet window of some seconds (Rules.Quiet), drawn like all else:
// one auditor of each of its leases comes then with its first try and shows the agent a ticket
// (marketplace.Ticket), upon which the agent serves that torrent to nobody else until the window is over.
// When all have shown theirs, blocks are asked for one at a time and each once more, which tells the time of a
// first answer (cold) from that of a second (warm), and then all replicas for the same whole pieces (Burst):
// names that share a line or a disk share its rate as well. It is an audit like others and has its tries;
// what it measures goes into the report (marketplace.Window), and from there into scores that everybody
// sees and that cost nothing by themselves (marketplace.Windows).
//
// A ticket tells an agent who asks, as the published report does later: an address that showed one is
// known, and is no good for audits that must look like any download.
//
// # What it costs
//
// Reports say what was spent (Wire), and the market publishes it. The figures here are reckoned by a
// formula that tests hold against the wire (spend_test.go).
// When blocks can be checked alone, the defaults cost about 1.7 MiB and one piece a day, and a burst of at
// most 4 MiB or a 512th of the content: at most 1 % of the content from 256 MiB on. Proofs are 0.03 MiB of
// that, 334 bytes each at 1 MiB a piece, and 654 by a root of 1 GiB. Below, 96 blocks are more than 1 %, up to
// 3 % of the smallest billed size, and stay: to ask less would find less. The first four epochs of a lease on a
// v1 torrent, a day, fetch whole pieces: 9.7 % of content that has 1,000 of them, at most 16 MiB an audit. From
// then on it costs what v2 does, 0.46 % a day at 1 GiB.
//
// Of an agent that committed to no root it costs that until the auditors know the pieces: every
// piece is fetched whole once by every auditor, over the torrent's life and not the lease's, shared by all
// its replicas. Where 8 pieces are more than 16 MiB, fewer are asked for, and n is smaller until more are
// known. A proof makes the agent read and hash the whole piece, which is nothing next to sending it.
package audit
