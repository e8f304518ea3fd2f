package swarm

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"golang.org/x/time/rate"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A Config says how an Engine works. The zero value of everything but Dir and Listen will do.
type Config struct {
	Dir         string // torrents are kept in Dir/torrents
	Listen      string // ip:port for peers, or :port for every address; port 0 takes any
	UploadLimit int64  // bytes/s over all peers; 0 is no limit
	KeepFree    int64  // bytes of the disk that stay free; 0 means a tenth of it
	Quota       int64  // most bytes of content; 0 is no limit

	AllowLoopback bool // peers and trackers on this machine are allowed: devnet and tests
	AllowPrivate  bool // ... and on private networks: containers
	NoDHT         bool
	NoUTP         bool // peers are met over TCP alone
	NoTrackers    bool
	Log           *slog.Logger
}

func (c Config) guard() metainfo.Guard {
	return metainfo.Guard{Loopback: c.AllowLoopback, Private: c.AllowPrivate}
}

// An Engine holds torrents below one folder, fetches what is missing and serves what it has.
type Engine struct {
	config Config
	client *torrent.Client
	door   *door
	lanes  []*lane
	desk   *desk
	usher  *usher
	upload *rate.Limiter // of all that goes out
	root   *os.Root
	files  *handles
	log    *slog.Logger

	mu       sync.Mutex // guards the fields below
	torrents map[marketplace.Infohash]*held
	closed   bool
}

// Open starts an Engine: it listens for peers, but holds nothing until Resume or Add.
func Open(c Config) (*Engine, error) { return open(c, filepath.Join(c.Dir, "torrents")) }

func open(c Config, folder string) (*Engine, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	e := &Engine{
		config: c, root: root, files: newHandles(handlesMax), log: c.Log,
		torrents: map[marketplace.Infohash]*held{},
	}
	if c.KeepFree == 0 {
		_, total, roomErr := diskRoom(folder)
		e.config.KeepFree, err = total/10, roomErr
	}
	if err == nil {
		err = e.listen()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open engine: %w", err), root.Close())
	}
	return e, nil
}

// listen starts the library's client behind our own listeners and dialers.
func (e *Engine) listen() error {
	if err := e.openDoor(); err != nil {
		return err
	}
	go e.door.welcome()
	e.desk, e.usher, e.upload = e.openDesk(), e.openUsher(), uploadLimit(e.config.UploadLimit)
	c, err := torrent.NewClient(e.clientConfig(e.door.Addr().(*net.TCPAddr)))
	if err != nil {
		return errors.Join(append(e.leave(), err)...)
	}
	c.AddDialer(e.door)
	c.AddListener(e.door)
	for _, l := range e.lanes {
		if err := l.join(c, e.config); err != nil {
			return errors.Join(append(append(c.Close(), err), e.leave()...)...)
		}
	}
	e.client = c
	return nil
}

// leave ends what was begun beside the client.
func (e *Engine) leave() []error {
	e.desk.close()
	e.usher.close()
	return []error{closeLanes(e.lanes), e.door.Close()}
}

// openDoor listens for peers. The door and its lanes have one port; where any will do, one that is free
// for TCP may be taken for UDP, and another is tried.
func (e *Engine) openDoor() error {
	for tries := 10; ; tries-- {
		l, err := net.Listen("tcp", e.config.Listen)
		if err != nil {
			return err
		}
		e.door = newDoor(l, e.config.guard(), e.meet)
		e.door.ours = e.Torrents
		if e.config.NoUTP && e.config.NoDHT {
			return nil
		}
		e.lanes, err = openLanes(e.door, e.config)
		if err == nil {
			return nil
		}
		err = errors.Join(err, l.Close())
		if _, port, _ := net.SplitHostPort(e.config.Listen); port != "0" || tries == 0 {
			return err
		}
	}
}

// clientConfig turns off what an agent must not do and bounds what a stranger can make it do.
func (e *Engine) clientConfig(at *net.TCPAddr) *torrent.ClientConfig {
	guard := e.config.guard()
	c := torrent.NewDefaultClientConfig()
	c.Slogger = slog.New(slog.DiscardHandler) // what matters comes back through our storage
	c.DefaultStorage = refuseStorage{}
	c.Seed = true

	c.DisableTCP, c.DisableUTP, c.DialForPeerConns = true, true, false // the door does it
	c.ListenPort = at.Port
	c.ListenHost = func(string) string { return listenHost(e.config.Listen) }
	c.DisableIPv6 = at.IP.To4() != nil
	c.NoDHT, c.DisableTrackers = true, e.config.NoTrackers // the lanes have the DHT
	c.NoDefaultPortForwarding, c.DisableWebtorrent, c.DisableWebseeds = true, true, true
	c.IPBlocklist = blocklist{guard}
	c.TrackerDialContext = guard.Dialer(dialTimeout).DialContext
	c.HTTPDialContext = c.TrackerDialContext
	c.TrackerListenPacket = listenPacket(guard)
	c.DisableAcceptRateLimiting = e.config.AllowLoopback

	c.Bep20, c.ExtendedHandshakeClientVersion = metainfo.PeerIDPrefix, metainfo.ClientName
	c.HTTPUserAgent = metainfo.ClientName
	c.UpnpID = ""
	c.DropDuplicatePeerIds = true
	c.EstablishedConnsPerTorrent, c.HalfOpenConnsPerTorrent = 30, 10
	c.TotalHalfOpenConns, c.TorrentPeersHighWater, c.TorrentPeersLowWater = 50, 100, 20
	c.MaxAllocPeerRequestDataPerConn = 256 << 10
	c.MaxUnverifiedBytes = 32 << 20
	c.UploadRateLimiter = e.upload
	c.Callbacks.ReadExtendedHandshake = clampRequests
	c.Callbacks.ReadMessage = withhold
	c.Callbacks.PeerConnAdded = append(c.Callbacks.PeerConnAdded, e.desk.introduce, e.usher.greet)
	c.Callbacks.PeerConnReadExtensionMessage = append(c.Callbacks.PeerConnReadExtensionMessage,
		e.desk.hear, e.usher.hear)
	return c
}

// uploadLimit returns a limiter of bytes/s; 0 is no limit.
func uploadLimit(limit int64) *rate.Limiter {
	if limit == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(limit), burst(limit))
}

// burst returns how many bytes may go out at once: at least a few blocks of 16 KiB, at most what
// is sent in a tenth of a second.
func burst(limit int64) int { return int(max(64<<10, min(limit/10, 4<<20))) }

// listenHost returns the host part of a listening address.
func listenHost(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	return host
}

// clampRequests keeps Transmission 3 from stalling: it says it takes 500 requests, and forgets
// some of them.
func clampRequests(c *torrent.PeerConn, hello *pp.ExtendedHandshakeMessage) {
	if strings.HasPrefix(string(c.PeerID[:]), "-TR3") && (hello.Reqq == 0 || hello.Reqq > 400) {
		hello.Reqq = 400
	}
}

// Addr returns the address that peers reach, with the port that was taken.
func (e *Engine) Addr() netip.AddrPort {
	addr, err := netip.ParseAddrPort(e.door.Addr().String())
	if err != nil {
		panic(err) // a TCP listener has an ip:port
	}
	return addr
}

// Hush makes the engine serve nobody, as if the machine were off, or ends that. What it holds stays.
func (e *Engine) Hush(on bool) { e.door.hush(on) }

// DiskFree returns the free bytes of the disk that holds the torrents.
func (e *Engine) DiskFree() (int64, error) {
	free, _, err := diskRoom(e.config.Dir)
	return free, err
}

// room refuses when the disk has less left than shall stay free and more bytes would go there.
func (e *Engine) room(more int64) error {
	free, err := e.DiskFree()
	if err != nil {
		return err
	}
	if free-more < e.config.KeepFree {
		return marketplace.TooMany.Errorf("disk has %d bytes free; %d more would leave less than %d",
			free, more, e.config.KeepFree)
	}
	return nil
}

// Close stops serving, writes down what is verified and frees everything.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	all := e.torrents
	e.torrents = nil
	e.mu.Unlock()
	errs := e.client.Close() // closes every torrent's storage, which saves its record
	errs = append(errs, e.leave()...)
	for _, t := range all {
		errs = append(errs, t.release())
	}
	return errors.Join(append(errs, e.root.Close())...)
}
