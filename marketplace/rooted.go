package marketplace

// A v1 torrent tells no hashes of blocks, so that blocks can be asked for alone only of who committed to
// the root of them all (metainfo.Torrent.Committed). What an agent commits to may be made up. So nobody is
// paid by a root before it is believed: until then a lease is proving, and audits ask it for whole pieces, whose
// hashes the .torrent tells, and for the proof that its root has each of them.
//
// A root is believed of a lease when so many of its audits in a row have shown it as Rules.CleanMin says: whole
// audits, by any auditor, over any number of epochs. Those of other leases do not add to them, or many names of
// one owner would take turns until they had been lucky often enough. All who have the content have the same
// root, so what one lease has shown holds for every later one that commits to the same, as long as one that is
// believed lives. While live leases of a torrent disagree, each must show its own.

// AskedMax bounds the bytes of whole pieces in one audit, so that an honest agent behind a slow line can
// deliver them within the time for a try. One is asked for in any case.
const AskedMax = 16 << 20

// WholeMax returns how many whole pieces of such a length an audit asks for at most.
func (r Rules) WholeMax(pieceLength int64) int {
	return int(min(int64(r.Challenges), max(1, AskedMax/pieceLength)))
}

// CleanMin returns how many audits in a row must show a root of so many pieces of such a length, until it is
// believed: enough to ask for Rules.Seasoned pieces, or one where each asks for all of them.
func (r Rules) CleanMin(pieceLength int64, pieces int) int {
	each := r.WholeMax(pieceLength)
	if each >= pieces {
		return 1
	}
	return max(1, (r.Seasoned+each-1)/each)
}

// Believed says of which leases of an epoch the root is believed when it opens: those whose own audits have
// shown it, those with the same root as one of these on a torrent whose leases all agree, and those that
// nothing has to be shown of.
func (e AuditEpoch) Believed() map[int64]bool {
	roots, disputed, shown := map[Infohash]Hash{}, map[Infohash]bool{}, map[Infohash]bool{}
	for _, l := range e.Leases {
		if l.CleanMin == 0 {
			continue
		}
		other, known := roots[l.Infohash]
		disputed[l.Infohash] = disputed[l.Infohash] || known && other != l.Root
		roots[l.Infohash] = l.Root
		shown[l.Infohash] = shown[l.Infohash] || l.Shown()
	}
	all := map[int64]bool{}
	for _, l := range e.Leases {
		all[l.ID] = l.Shown() || shown[l.Infohash] && !disputed[l.Infohash]
	}
	return all
}

// Shown says whether enough audits have shown the lease's root.
func (l Lease) Shown() bool { return l.Clean >= l.CleanMin }

// Shows returns how many audits in a row have shown a lease's root after those of another epoch. It takes the
// lease as it stands and as the epoch's auditors found it (asked), whether its root was believed then, and what
// their reports came to.
//
// An audit that reached the agent and did not pass begins the row anew: who lacks what it committed to is silent
// about it, and must not win by waiting for audits that ask for other pieces. One that did not reach it says
// nothing, because nobody knew yet what it would ask for. Where the root was believed, the first pass
// makes it the lease's own.
func (r Rules) Shows(l, asked Lease, believed bool, is Ruling) int {
	passes, silent := 0, is.Verdict == VerdictAccused || is.Verdict == VerdictDataFault
	for _, rep := range is.Said {
		switch rep.Outcome {
		case Pass:
			passes++
		case Unreachable, AuditorFault:
		default:
			silent = true
		}
	}
	switch {
	case l.Shown(), asked.Root != l.Root, believed && is.Verdict != VerdictPass:
		return l.Clean
	case believed:
		return l.CleanMin
	case silent:
		return 0
	default:
		return min(l.CleanMin, l.Clean+passes)
	}
}
