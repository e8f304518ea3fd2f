package trial

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A World is what a trial assumes of the market, and how long it goes on.
type World struct {
	Rules      marketplace.Rules
	Auditors   int              // of the market; the rules draw some of them for each lease
	Leases     int              // that an agent has at a time, while it gets any
	Replicas   int              // that the market has besides, for trials of auditors
	Canaries   int              // replicas among them that the market keeps dead on purpose
	Days       int              // of a career
	Runs       int              // careers of each sort of agent
	Tenures    int              // of each sort of auditor
	Households int              // of three names on one disk
	Lives      int              // lives for each claim
	Torrent    metainfo.Torrent // of every lease, as far as challenges are drawn from it
	Unrooted   bool             // leases are on v1 torrents, and nobody has shown their roots
	DeadLines  float64          // share of carriers that come and do not get to the agent
	Seed       uint64
}

// Default is the world of ADVERSARIES.md: seven auditors, torrents of 1 GiB, new agents with as
// many leases as they may have, thirty days.
func Default() World {
	r := marketplace.DefaultRules()
	return World{Rules: r, Auditors: 7, Leases: r.LeasesNewMax, Replicas: 10, Canaries: 1, Days: 30,
		Runs: 40, Tenures: 4, Households: 6, Lives: 10_000, DeadLines: 0.02, Seed: 1,
		Torrent: metainfo.Torrent{V1: true, Pieces: 4096, PieceLength: 256 << 10, Size: 1 << 30}}
}

// small is the world with torrents of 64 MiB, of which a hundredth does not suffice to find out within a day
// what is missing.
func (w World) small() World {
	w.Torrent = metainfo.Torrent{V1: true, Pieces: 1024, PieceLength: 64 << 10, Size: 64 << 20}
	return w
}

// v1 is the world with torrents that do not tell hashes of blocks, each under one lease.
func (w World) v1() World {
	w.Unrooted = true
	return w
}

// fewPieces is v1 with pieces of 1 MiB.
func (w World) fewPieces() World {
	w.Torrent = metainfo.Torrent{V1: true, Pieces: 1024, PieceLength: 1 << 20, Size: 1 << 30}
	return w.v1()
}

// firstEpoch is where careers begin: in 2026.
const firstEpoch = 82_000

func (w World) epochs() int64 {
	return int64(time.Duration(w.Days) * marketplace.Day / w.Rules.Epoch.Duration())
}

// chance returns the source of chance of one career.
func (w World) chance(run int) *rand.Rand {
	return rand.New(rand.NewPCG(w.Seed, uint64(run))) // #nosec G404 G115 -- a simulation repeats itself
}

// auditors returns the addresses of n auditors; the last byte is the index plus one.
func auditors(n int) []marketplace.Address {
	all := make([]marketplace.Address, n)
	for i := range all {
		binary.BigEndian.PutUint16(all[i][18:], uint16(i+1)) // #nosec G115 -- a handful
	}
	return all
}

// index is the inverse of auditors.
func index(a marketplace.Address) int { return int(binary.BigEndian.Uint16(a[18:])) - 1 }

// infohash is another one for each number.
func infohash(n int64) (h marketplace.Infohash) {
	binary.BigEndian.PutUint64(h[:], uint64(n)) // #nosec G115 -- bits of it
	return h
}

// newLease is a duty for the world's torrent at a price of 700 BTT.
func (w World) newLease(id int64, at time.Time) marketplace.Lease {
	l := marketplace.Lease{ID: id, Infohash: infohash(id), Root: marketplace.Hash{1}, Size: w.Torrent.Size,
		Billed: w.Rules.Billed(w.Torrent.Size), Price: marketplace.BTT(700),
		KeepFor: marketplace.Span(time.Duration(w.Days) * marketplace.Day), State: marketplace.Proving,
		ReservedAt: at, Deadline: at.Add(w.Rules.ProveDeadline.Duration())}
	if w.Unrooted {
		l.CleanMin = w.Rules.CleanMin(w.Torrent.PieceLength, w.Torrent.Pieces)
	}
	return l
}
