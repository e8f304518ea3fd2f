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
// a missing part f with 1 − (1−f)^n: by default n is 96 a day (3 auditors, 4 epochs, 8 blocks), which
// finds f = 10 % within the day with 99.996 %, 5 % with 99.3 %, 1 % with 62 %. Of a small torrent n is what
// a hundredth of it allows (see What it costs).
//
// A block can be checked alone only by who knows its SHA-256. A v2 torrent tells the root of each piece's
// tree, and the peer proves the block by the hashes that lead there: so of v2 torrents, and of hybrids
// whose v2 half is whole, every challenge but the daily piece is a block, and follows from the seed and
// the .torrent alone. Hashes come by BEP 52, or from agents by messages of their own
// (metainfo.HashesExtension), which also works in hybrids. A proof is no part of a report: whoever has the
// torrent can make it.
//
// A v1 torrent tells nothing of blocks. An agent that has the content knows their hashes, and commits to their
// root when it says that it is ready (marketplace.Lease.Root): the root that BEP 52 would give one file with
// all of the torrent (metainfo.Torrent.Committed). By that root it proves blocks that are asked for alone. It may
// have made up what it committed to, so nobody is paid by a root before it is believed.
//
// Until then the lease is proving, and its audits ask for whole pieces, whose hash the .torrent tells, and for
// nothing else: eight, or as many as 16 MiB have, each with a path that shows that the root has it. A root is
// believed when so many audits of the lease in a row have shown it as ask for Rules.Seasoned pieces: twelve, where
// pieces have at most 2 MiB, which takes four epochs; two days at 4 MiB, four at 8 and eight at 16 MiB and more.
// Where one audit asks for all pieces, one is enough. An audit that reached the agent and did not pass begins the
// row anew; one that did not reach it says nothing, because what it asks for is told in the connection.
// It follows from the public log: epochs show where the rows stood, and proofs where they stand
// (marketplace.Rules.Shows).
//
// All who have the content have the same root. So a lease that commits to one which a live lease of the torrent has
// shown is active at its first pass. Only what one lease has shown alone counts, and not the sum of several, or an
// owner of many names would have as many lots. While live leases of a torrent have different roots
// each shows its own; who is active stays so. From then on a v1 torrent is asked for what a v2 one is.
//
// An auditor keeps the hashes of blocks of pieces that passed ([Leaves]): where it knows that of a block it need
// not be proven. A path that leads to the root from another hash than that of what came proves that the root was
// made up, and is bad data: the answer's hash is the one that was committed to. Without a path, or with one that
// leads nowhere, which proves nothing, there is no pass (Timeout), but no data fault either.
//
// To ask for more than was due is never a fault, to ask for less is one. A peer that otherwise gives no
// proof of a block, or one that leads nowhere, is asked for the whole piece instead, in the same try; what
// it sent already is not asked for again. So nobody gains by proving nothing, and an agent that
// holds a hybrid whose halves disagree is judged by the half that it could check.
//
// Who commits to a root over made-up data, a part f of the pieces, and is silent about it shows it in twelve audits
// with (1−f)^96: 0.004 % of 10 %, 0.7 % of 5 %. As a row may begin anew while the lease has time to prove, more
// get through (package trial): 2 of 10,000 leases with 10 %, 3 of 100 with 5 %, most with 2 %. What it wins is
// the disk for what it makes up.
//
// By lot for each auditor and epoch a whole piece comes on top about once a day and replica at most
// (Rules.WholeEvery), also when a root is believed: what was made up and not found is found later.
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
// # By whose line a visit comes
//
// An auditor's address is known after one visit. So Rules.CarriedBps of all visits that are in no quiet window come
// by another agent's line (marketplace.Carry; [IsCarried] draws which), or, half of these where the auditor has
// any, by a proxy ([Via]). The carrier connects to a door of the auditor's and passes on what the auditor and
// the agent say; hands are shaken and blocks asked for as always.
//
// A carrier may leave, spoil what comes or be the agent's friend. So one line brings two tries of a visit at most,
// and the third comes another way. Wrong bytes that the first carrier brought are a Timeout, and count when another
// line brings some too. A carrier that leaves is an AuditorFault. Where nobody can carry, and also where nobody
// reaches the auditor's own door, it comes by its own line.
//
// Reports say by whose line each try came. A [Case] sees that none came by the agent's own line, more than two by
// one, or any where none was drawn. It cannot see whether a carrier was to be had, so it counts how many
// tries were carried.
//
// Until it asks, an auditor says word for word what a downloader of ours says. What it asks for is another
// matter: see ADVERSARIES.md.
//
// # What it costs
//
// Reports say what was spent (Wire), and the market publishes it. What is asked for follows from a budget:
// a day of audits takes Rules.AuditBps of the content at most, a hundredth, with all that is on the wire
// ([Ration]; the costs that it reckons with are held against the wire by TestATryCostsWhatWasReckoned).
// That is of audits that pass at the first try. From 256 MiB on it is enough for all: 96 blocks, a piece,
// and a burst of a 512th of the content or 4 MiB, which take 0.96 % at 256 MiB and 0.46 % at 1 GiB, in
// 1,024 pieces. Proofs are 0.03 MiB of that, 334 bytes each at 1 MiB a piece, and 654 by a root of 1 GiB.
// Where a whole piece is too large for what blocks leave, it is asked for more seldom: 16 MiB of 1 GiB
// every second day.
//
// Below 256 MiB blocks become fewer, at 128 MiB 67 a day, which find 10 % within the day with 99.9 %;
// below, the budget stays and finding takes longer: of 64 MiB 33 a day find it with 97 %, and within three
// days with 99.99 %. Every audit asks for one block at least, so below 26 MiB a day costs up to 270 kB whatever
// the size.
//
// So much costs a day that is paid for. Before, and once, the root of a v1 torrent costs 120 whole pieces where
// they have at most 2 MiB: 12 % of the content in 1,000 pieces, 3 % in 4,096, and more than all of it in
// less than 120. They are asked for in five epochs, because the fifth opens before the fourth is judged; that one
// is the first that is paid for. Every replica that begins before one has shown the root pays that price
// with its line; later ones do not.
//
// A v1 torrent whose agent committed to no root is asked for whole pieces in place of blocks that the
// auditor does not know, as many as the budget allows and one in each audit: too little to find what is
// missing, and above the budget where there are fewer than about 1,300 pieces. So the market takes no such
// agent (api, Ready). What an auditor knows follows from the log: the pieces that answered whole, with a
// pass, in its own reports of earlier epochs for the same infohash. A peer that proves nothing costs more
// than a hundredth, and so do a hearing (Again) and further tries: agents of ours prove.
package audit
