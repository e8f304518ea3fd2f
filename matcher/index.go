package matcher

import "math/bits"

// An index finds, in a list of asks sorted by price, the next one that may be large enough. It is
// a segment tree: each node holds the best of its asks, limit by limit, so a stretch of asks that
// are all too small, too slow or elsewhere costs one look. What it finds still has to be checked:
// the best of each limit may belong to different asks.
type index struct {
	leaves int // a power of two
	nodes  []best
}

// best is the largest room, rate and set of regions of some asks.
type best struct {
	bytes   int64 // largest torrent that fits; -1 when no lease is left
	rate    int64
	regions uint8
}

func (b best) covers(need best) bool {
	return b.bytes >= need.bytes && b.rate >= need.rate &&
		(need.regions == 0 || b.regions&need.regions != 0)
}

func bestOf(l, r best) best {
	return best{max(l.bytes, r.bytes), max(l.rate, r.rate), l.regions | r.regions}
}

func (a *ask) best(r room) best {
	if r.leases < 1 || !trusted(a.Standing) {
		return best{bytes: -1}
	}
	return best{min(r.bytes, a.Terms.TorrentMax), a.Terms.UploadRate, a.region}
}

func newIndex(asks []*ask) *index {
	x := &index{leaves: 1 << bits.Len(uint(max(len(asks)-1, 0)))}
	x.nodes = make([]best, 2*x.leaves)
	for i := range x.nodes {
		x.nodes[i].bytes = -1
	}
	for i, a := range asks {
		x.nodes[x.leaves+i] = a.best(a.frozen)
	}
	for i := x.leaves - 1; i > 0; i-- {
		x.nodes[i] = bestOf(x.nodes[2*i], x.nodes[2*i+1])
	}
	return x
}

// clone returns a copy that later sets leave alone.
func (x *index) clone() *index {
	return &index{leaves: x.leaves, nodes: append([]best(nil), x.nodes...)}
}

// set changes ask i.
func (x *index) set(i int, b best) {
	n := x.leaves + i
	x.nodes[n] = b
	for n >>= 1; n > 0; n >>= 1 {
		x.nodes[n] = bestOf(x.nodes[2*n], x.nodes[2*n+1])
	}
}

// next returns the first ask at or after i that may cover need, or -1.
func (x *index) next(i int, need best) int {
	if i >= x.leaves {
		return -1
	}
	n := x.leaves + i
	for {
		if x.nodes[n].covers(need) {
			if n >= x.leaves {
				return n - x.leaves
			}
			n *= 2
			continue
		}
		for n&1 == 1 { // a right child: all below its parent is done
			if n >>= 1; n <= 1 {
				return -1
			}
		}
		n++
	}
}
