package marketplace

// A v1 torrent tells no hashes of blocks, so that blocks can be asked for alone only of who committed to
// the root of them all (metainfo.Torrent.Committed). What an agent commits to may be made up. Until it has
// passed so many epochs as Rules.Seasoned says, whole pieces are asked of it, and of each piece the proof
// that its root has it: three, because an epoch opens before the last one is judged, are a day of four.

// Rooted returns which leases of an epoch are asked for blocks alone of a torrent that tells no hashes
// of them. As long as two agents committed to different roots of one torrent, at least one of them to
// something else than the torrent, whole pieces are asked of all.
func (r Rules) Rooted(e AuditEpoch) map[int64]bool {
	roots, disputed := map[Infohash]Hash{}, map[Infohash]bool{}
	for _, l := range e.Leases {
		if l.Root.IsZero() {
			continue
		}
		if other, known := roots[l.Infohash]; known && other != l.Root {
			disputed[l.Infohash] = true
		}
		roots[l.Infohash] = l.Root
	}
	all := map[int64]bool{}
	for _, l := range e.Leases {
		if !l.Root.IsZero() && l.Passed >= r.Seasoned && !disputed[l.Infohash] {
			all[l.ID] = true
		}
	}
	return all
}
