package swarm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"

	"github.com/anacrolix/torrent"
	lib "github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// held is one torrent of an engine.
type held struct {
	store *store
	own   *os.Root // of adopted content, else nil
	gone  chan struct{}

	t     *torrent.Torrent // this and the following: guarded by Engine.mu
	fault error            // why it does not download
	sent  int64            // by earlier values of t
}

func (e *Engine) hold(s *store, own *os.Root, peers []netip.AddrPort) error {
	h := &held{store: s, own: own, gone: make(chan struct{})}
	s.whole = func() { e.desk.sum(s) }
	if err := e.start(h); err != nil {
		return err
	}
	if _, whole := s.verified(); whole {
		s.whole()
	}
	e.torrents[s.meta.Infohash] = h
	return e.addPeers(s.meta.Infohash, peers)
}

func (h *held) release() error {
	close(h.gone)
	if h.own == nil {
		return nil
	}
	return h.own.Close()
}

const metainfoName = "metainfo.torrent"

// Add takes up a torrent and fetches what is missing, from its trackers and from peers. Adding it
// again only adds peers.
func (e *Engine) Add(h marketplace.Infohash, raw []byte, peers []netip.AddrPort) error {
	meta, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	if err != nil {
		return err
	}
	if meta.Infohash != h {
		return marketplace.Invalid.Errorf("metainfo is of %s, not of %s", meta.Infohash, h)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.torrents[h] != nil {
		return e.addPeers(h, peers)
	}
	if err := e.fits(meta); err != nil {
		return err
	}
	s := e.newStore(meta)
	switch err := e.root.Mkdir(h.String(), 0o700); {
	case err == nil:
		s.empty()
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make folder of torrent: %w", err)
	default: // left by a run that could not resume it
		if err := s.load(); err != nil {
			return err
		}
	}
	if err := writeDurably(e.root, path.Join(h.String(), metainfoName), raw); err != nil {
		return fmt.Errorf("keep metainfo: %w", err)
	}
	return e.hold(s, nil, peers)
}

// fits refuses a torrent that is too large. The caller holds mu.
func (e *Engine) fits(meta metainfo.Torrent) error {
	if e.closed {
		return marketplace.Unavailable.Errorf("engine is closed")
	}
	sum, missing := meta.Stored(), meta.Stored()
	for _, h := range e.torrents {
		have, _ := h.store.verified()
		sum += h.store.meta.Stored()
		missing += max(0, h.store.meta.Stored()-have)
	}
	if e.config.Quota > 0 && sum > e.config.Quota {
		return marketplace.TooMany.Errorf("torrents would take %d bytes; the quota is %d", sum,
			e.config.Quota)
	}
	return e.room(missing)
}

func (e *Engine) newStore(meta metainfo.Torrent) *store {
	folder := meta.Infohash.String()
	s := newStore(meta, e.root, path.Join(folder, "data"), e.files)
	s.room = func() error { return e.room(0) }
	s.record = &recorder{root: e.root, name: path.Join(folder, "verified.json")}
	return s
}

// start hands a torrent to the library. The caller holds mu.
func (e *Engine) start(h *held) error {
	meta := h.store.meta
	options := torrent.AddTorrentOpts{
		InfoHash: lib.Hash(meta.Infohash), InfoBytes: meta.Info, Storage: h.store,
	}
	if !meta.V1 { // the library sees a hybrid as v1, where layers would be out of place
		options.PieceLayers = meta.PieceLayers()
	}
	t, isNew := e.client.AddTorrentOpt(options)
	if !isNew {
		return marketplace.Conflict.Errorf("torrent %s is held already", meta.Infohash)
	}
	if t.Info() == nil {
		t.Drop()
		return marketplace.Invalid.Errorf("torrent %s is refused by the torrent library", meta.Infohash)
	}
	t.SetOnWriteChunkError(func(err error) { e.stall(meta.Infohash, err) })
	h.t = t
	t.AddTrackers(usable(meta.Trackers))
	if h.store.readOnly {
		t.DisallowDataDownload() // the option of the same name does nothing in v1.62.0
	} else {
		t.DownloadAll()
	}
	return nil
}

// restart takes a torrent that stood still out of the library and puts it in again: merely
// allowing downloads again leaves v1.62.0 without requests. The caller holds mu.
func (e *Engine) restart(h *held) error {
	stats := h.t.Stats()
	h.sent += stats.BytesWrittenData.Int64()
	h.t.Drop()
	h.fault = nil
	return e.start(h)
}

// stall stops a download that cannot be written; AddPeers tries again.
func (e *Engine) stall(h marketplace.Infohash, why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.torrents[h]
	if t == nil || t.fault != nil {
		return
	}
	t.fault = why
	t.t.DisallowDataDownload()
	e.log.Error("download stopped", "infohash", h, "err", why)
}

// Adopt serves content that already lies in dir, under the torrent's own names, and never writes
// there. It hashes everything first; a Status tells when that is done.
func (e *Engine) Adopt(raw []byte, dir string) (marketplace.Infohash, error) {
	meta, err := metainfo.Parse(raw, metainfo.HardLimits())
	if err != nil {
		return marketplace.Infohash{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return meta.Infohash, fmt.Errorf("adopt content: %w", err)
	}
	s := newStore(meta, root, "", e.files)
	s.readOnly = true
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.torrents[meta.Infohash] != nil {
		return meta.Infohash, errors.Join(root.Close(),
			marketplace.Conflict.Errorf("torrent %s is held already", meta.Infohash))
	}
	if err := e.hold(s, root, nil); err != nil {
		return meta.Infohash, errors.Join(err, root.Close())
	}
	return meta.Infohash, nil
}

// AddPeers tells a torrent of peers. Those that the guard refuses are left out.
func (e *Engine) AddPeers(h marketplace.Infohash, peers []netip.AddrPort) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.addPeers(h, peers)
}

func (e *Engine) addPeers(h marketplace.Infohash, peers []netip.AddrPort) error {
	t := e.torrents[h]
	if t == nil {
		return marketplace.NotFound.Errorf("torrent %s is not held", h)
	}
	if t.fault != nil && e.room(0) == nil {
		if err := e.restart(t); err != nil {
			return err
		}
	}
	var infos []torrent.PeerInfo
	for _, p := range peers {
		if e.door.guard.Check(p) == nil {
			infos = append(infos, torrent.PeerInfo{Addr: alias(p), Source: torrent.PeerSourceDirect})
		}
	}
	t.t.AddPeers(infos)
	return nil
}

// meet gives a peer on this machine, whom a tracker named, to every torrent under its alias.
func (e *Engine) meet(peer netip.AddrPort) {
	for _, t := range e.client.Torrents() {
		t.AddPeers([]torrent.PeerInfo{{Addr: peer, Source: torrent.PeerSourceTracker}})
	}
}

// goneSuffix marks a folder that is being deleted.
const goneSuffix = ".gone"

// Remove drops a torrent and deletes its content; adopted content stays.
func (e *Engine) Remove(h marketplace.Infohash) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.torrents[h]
	if t == nil {
		return nil
	}
	delete(e.torrents, h)
	t.store.forget()
	t.t.Drop()
	if err := t.release(); err != nil || t.own != nil {
		return err
	}
	folder := h.String()
	if err := e.root.Rename(folder, folder+goneSuffix); err != nil {
		return fmt.Errorf("remove torrent: %w", err)
	}
	if err := e.root.RemoveAll(folder + goneSuffix); err != nil {
		return fmt.Errorf("remove torrent: %w", err)
	}
	return nil
}

// refuseStorage is for torrents that came to the client by another way than ours: there is none.
type refuseStorage struct{}

func (refuseStorage) OpenTorrent(context.Context, *lib.Info, lib.Hash) (storage.TorrentImpl, error) {
	return storage.TorrentImpl{}, errors.New("no storage")
}
