package swarm

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// The library answers a BEP 52 hash request with the hashes of pieces whatever layer was asked for,
// refuses proofs, and hangs up on who asks in a hybrid, which it takes for v1. So agents give the
// hashes of blocks by messages of their own (metainfo.HashesExtension), from what is on disk, and
// keep from the library the requests that it would answer wrongly. One goroutine does it: hashing
// pieces for strangers takes no more than one core. Peers take turns, so that nobody who asks for
// much keeps an auditor waiting for long. When nobody waits, it finds out roots (roots.go).

const (
	hashRequestsMax = 32      // that wait of a peer: several times what an audit asks for
	leavesKept      = 1 << 16 // hashes, 2 MiB
)

// A desk answers hash requests.
type desk struct {
	store func(h marketplace.Infohash) *store
	log   *slog.Logger
	wake  chan struct{}
	stop  context.CancelFunc
	over  chan struct{}

	mu       sync.Mutex // guards the fields below; the client's lock may be held
	waiting  map[*torrent.PeerConn][]metainfo.HashRequest
	turns    []*torrent.PeerConn // keys of waiting, the next in front
	unsummed []*summing          // the one under way in front

	kept   map[leafKey][]marketplace.Hash // this and the following: the goroutine's
	recent []leafKey                      // keys of kept, oldest first
	count  int                            // of hashes in kept
	summed *metainfo.Torrent              // the v1 torrent that was asked for last
	root   marketplace.Hash               // ... its root
}

type leafKey struct {
	h     marketplace.Infohash
	piece int
}

func (e *Engine) openDesk() *desk {
	ctx, stop := context.WithCancel(context.Background())
	d := &desk{
		store: e.storeOf, log: e.log, stop: stop, wake: make(chan struct{}, 1),
		over: make(chan struct{}), waiting: map[*torrent.PeerConn][]metainfo.HashRequest{},
		kept: map[leafKey][]marketplace.Hash{},
	}
	go d.run(ctx)
	return d
}

func (d *desk) close() {
	d.stop()
	<-d.over
}

// introduce tells a new peer of the extension. The library's map is shared by all peers.
func (d *desk) introduce(peer *torrent.PeerConn) {
	own := *peer.LocalLtepProtocolMap
	own.Index = slices.Clone(own.Index)
	own.AddUserProtocol(metainfo.HashesExtension)
	peer.LocalLtepProtocolMap = &own
}

// hear takes in an extension's message. The client's lock is held.
func (d *desk) hear(m torrent.PeerConnReadExtensionMessageEvent) {
	name, _, err := m.PeerConn.LocalLtepProtocolMap.LookupId(m.ExtensionNumber)
	if err != nil || name != metainfo.HashesExtension || len(m.Payload) == 0 ||
		m.Payload[0] != metainfo.HashRequestMessage {
		return
	}
	request, _, ok := metainfo.ParseHashRequest(m.Payload[1:])
	if ok {
		d.put(m.PeerConn, request)
	}
}

func (d *desk) put(peer *torrent.PeerConn, request metainfo.HashRequest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := len(d.waiting[peer]); {
	case n >= hashRequestsMax:
		return
	case n == 0:
		d.turns = append(d.turns, peer)
	}
	d.waiting[peer] = append(d.waiting[peer], request)
	d.rouse()
}

func (d *desk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// sum puts a torrent whose content is here to those whose root is to be found out.
func (d *desk) sum(s *store) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unsummed = append(d.unsummed, &summing{store: s})
	d.rouse()
}

// sumSome does a part of that, and says whether there was any.
func (d *desk) sumSome() bool {
	d.mu.Lock()
	if len(d.unsummed) == 0 {
		d.mu.Unlock()
		return false
	}
	w := d.unsummed[0]
	d.mu.Unlock()
	over, err := w.step()
	if err != nil {
		d.log.Error("root of a torrent not found out", "infohash", w.meta.Infohash, "err", err)
		w.giveUp()
	}
	if over || err != nil {
		d.mu.Lock()
		d.unsummed = d.unsummed[1:]
		d.mu.Unlock()
	}
	return true
}

// next takes a request of the peer whose turn it is, who goes to the end of the row.
func (d *desk) next() (peer *torrent.PeerConn, request metainfo.HashRequest, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.turns) == 0 {
		return nil, request, false
	}
	peer, d.turns = d.turns[0], d.turns[1:]
	row := d.waiting[peer]
	if request = row[0]; len(row) == 1 {
		delete(d.waiting, peer)
	} else {
		d.waiting[peer] = row[1:]
		d.turns = append(d.turns, peer)
	}
	return peer, request, true
}

func (d *desk) run(ctx context.Context) {
	defer close(d.over)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		for ctx.Err() == nil {
			peer, request, ok := d.next()
			if !ok && d.sumSome() {
				continue
			} else if !ok {
				break
			}
			answer := d.answer(marketplace.Infohash(peer.Torrent().InfoHash()), request)
			_ = peer.WriteExtendedMessage(metainfo.HashesExtension, answer) // it may be gone
		}
	}
}

// answer makes the message that answers a request.
func (d *desk) answer(h marketplace.Infohash, request metainfo.HashRequest) []byte {
	hashes, err := d.hashes(h, request)
	if err != nil {
		return request.Append([]byte{metainfo.HashRejectMessage})
	}
	b := request.Append([]byte{metainfo.HashesMessage})
	for _, hash := range hashes {
		b = append(b, hash[:]...)
	}
	return b
}

func (d *desk) hashes(h marketplace.Infohash, request metainfo.HashRequest) (
	[]marketplace.Hash, error,
) {
	s := d.store(h)
	if s == nil {
		return nil, marketplace.NotFound.Errorf("torrent %s is not held", h)
	}
	meta := &s.meta
	if root := s.merkleRoot(); !root.IsZero() {
		if d.root != root {
			is, summed, ok := s.readRoots()
			if !ok || is != root {
				s.giveUp()
				d.sum(s)
				return nil, marketplace.NotFound.Errorf("roots of torrent %s were lost", h)
			}
			d.root, d.summed = root, summed
		}
		meta = d.summed
	}
	return meta.Hashes(request, func(piece int) ([]marketplace.Hash, error) {
		return d.leavesOf(s, piece)
	})
}

// leavesOf returns the hashes of a verified piece's blocks, kept from the last time if possible.
func (d *desk) leavesOf(s *store, piece int) ([]marketplace.Hash, error) {
	key := leafKey{s.meta.Infohash, piece}
	if kept := d.kept[key]; kept != nil {
		return kept, nil
	}
	if !s.has(piece) {
		return nil, marketplace.NotFound.Errorf("piece %d of torrent %s is not held", piece, key.h)
	}
	leaves, err := s.leaves(piece, io.Discard)
	if err != nil {
		return nil, err
	}
	d.kept[key] = leaves
	d.recent = append(d.recent, key)
	for d.count += len(leaves); d.count > leavesKept; d.recent = d.recent[1:] {
		d.count -= len(d.kept[d.recent[0]])
		delete(d.kept, d.recent[0])
	}
	return leaves, nil
}

// storeOf returns where a torrent that is held is stored, or nil.
func (e *Engine) storeOf(h marketplace.Infohash) *store {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.torrents[h]; t != nil {
		return t.store
	}
	return nil
}

// withhold hides from the library a hash request that it would answer with other hashes than were
// asked for, or by hanging up: it sees a keepalive in its place.
func withhold(peer *torrent.PeerConn, m *pp.Message) {
	if m.Type != pp.HashRequest || m.Keepalive {
		return
	}
	info := peer.Torrent().Info()
	if info == nil || !info.HasV2() ||
		int64(metainfo.BlockSize)<<m.BaseLayer.Uint64() != info.PieceLength {
		*m = pp.Message{Keepalive: true}
	}
}
