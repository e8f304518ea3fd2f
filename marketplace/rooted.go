package marketplace

// A v1 torrent tells no hashes of blocks, so that blocks can be asked for alone only of who committed to
// the root of them all (metainfo.Torrent.Committed). What an agent commits to may be made up. So whole pieces
// are asked of it as well, as many as Rules.AuditBps allows, and of each the proof that its root has it, until
// so many have shown it as Rules.Seasoned says. All who have the content have the same root: what one replica
// has shown of it holds for all that committed to it.

// Rooted returns for how many passed epochs the root of each lease of an epoch was held against whole pieces:
// of all its leases together. As long as two agents committed to different roots of one torrent, at least one
// of them to something else than the torrent, that is none.
func (r Rules) Rooted(e AuditEpoch) map[int64]int {
	roots, disputed, passed := map[Infohash]Hash{}, map[Infohash]bool{}, map[Infohash]int{}
	for _, l := range e.Leases {
		if l.Root.IsZero() {
			continue
		}
		if other, known := roots[l.Infohash]; known && other != l.Root {
			disputed[l.Infohash] = true
		}
		roots[l.Infohash] = l.Root
		passed[l.Infohash] += l.Passed
	}
	all := map[int64]int{}
	for _, l := range e.Leases {
		if !l.Root.IsZero() && !disputed[l.Infohash] {
			all[l.ID] = passed[l.Infohash]
		}
	}
	return all
}
