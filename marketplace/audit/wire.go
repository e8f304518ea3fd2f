package audit

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- BEP 6 has it
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/marketplace/metainfo"
)

// The messages of BEP 3, 6 and 10 that a downloader needs.
const (
	msgChoke      = 0
	msgUnchoke    = 1
	msgInterested = 2
	msgHave       = 4
	msgBitfield   = 5
	msgRequest    = 6
	msgPiece      = 7
	msgPort       = 9
	msgHaveAll    = 14
	msgHaveNone   = 15
	msgReject     = 16
	msgFast       = 17
	msgExtended   = 20
)

// messageMax bounds what a peer may send at once; a bitfield of 2^21 pieces is 256 KiB.
const messageMax = 512 << 10

// handshakeMax is how long one way of shaking hands may take.
const handshakeMax = 4 * time.Second

const protocol = "\x13BitTorrent protocol"

// extensions are the bits that our agents and downloaders set: BEP 10, BEP 6, BEP 5.
var extensions = [8]byte{5: 0x10, 7: 0x05}

var errStranger = errors.New("peer answered for another torrent or protocol")

// A wire is a connection on which the handshake is done.
type wire struct {
	net.Conn
	in   *bufio.Reader
	out  *bufio.Writer // sent before we wait for an answer
	fast bool          // BEP 6: have none, reject
	ext  bool          // BEP 10: the peer introduces itself
	dht  bool          // BEP 5: it wants to know the port of our DHT
	over transport
	buf  []byte
}

// readers are buffers of connections that are over.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// Close ends the connection; it is called once.
func (w *wire) Close() error {
	w.in.Reset(nil)
	readers.Put(w.in)
	return w.Conn.Close()
}

// A meter counts bytes both ways.
type meter struct {
	net.Conn
	bytes *atomic.Int64
}

func (m meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.bytes.Add(int64(n))
	return n, err
}

func (m meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.bytes.Add(int64(n))
	return n, err
}

// shake shakes hands with the peer at an address, to which c leads.
func shake(ctx context.Context, c net.Conn, peer netip.Addr, t *metainfo.Torrent, obfuscate bool,
	until time.Time) (*wire, error) {
	if err := c.SetDeadline(until); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // wakes us
	defer stop()
	var rw io.ReadWriter = c
	if obfuscate {
		var err error
		rw, _, err = mse.InitiateHandshakeContext(ctx, c, t.Infohash[:], nil, mse.AllSupportedCrypto)
		if err != nil {
			return nil, fmt.Errorf("obfuscated handshake: %w", err)
		}
	}
	w := newWire(c, rw)
	if err := w.hello(t); err != nil {
		return nil, err
	}
	if err := w.out.Flush(); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if err := w.hear(t); err != nil {
		return nil, err
	}
	return w, w.introduce(t, peer)
}

func newWire(c net.Conn, rw io.ReadWriter) *wire {
	w := &wire{Conn: c, over: overTCP, in: readers.Get().(*bufio.Reader), out: bufio.NewWriter(rw)}
	w.in.Reset(rw)
	return w
}

// hello says our part of the handshake.
func (w *wire) hello(t *metainfo.Torrent) error {
	b := append([]byte(protocol), extensions[:]...)
	_, err := w.out.Write(append(append(b, t.Infohash[:]...), peerID()...))
	return err
}

// hear reads the peer's part.
func (w *wire) hear(t *metainfo.Torrent) error {
	var theirs [68]byte
	if _, err := io.ReadFull(w.in, theirs[:]); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if string(theirs[:20]) != protocol || [20]byte(theirs[28:48]) != t.Infohash {
		return errStranger
	}
	w.fast, w.ext, w.dht = theirs[27]&0x04 != 0, theirs[25]&0x10 != 0, theirs[27]&0x01 != 0
	return nil
}

// peerID is another one every time: an auditor has no name on the wire.
func peerID() []byte {
	id := append([]byte(metainfo.PeerIDPrefix), make([]byte, 12)...)
	_, _ = rand.Read(id[len(metainfo.PeerIDPrefix):]) // never fails
	return id
}

// introduce says what a downloader without data says first to a peer at an address, word for word: who
// said less would be known for an auditor before it asks for anything.
func (w *wire) introduce(t *metainfo.Torrent, peer netip.Addr) error {
	port, yourIP := w.port(), peer.Unmap().AsSlice()
	if w.ext {
		hello := fmt.Sprintf("\x00d1:ei1e1:md%d:%si%de%d:%si%de12:ut_holepunchi2e11:ut_metadatai1e6:ut_pexi3ee"+
			"13:metadata_sizei%de1:pi%de4:reqqi1024e1:v%d:%s6:yourip%d:%se", len(metainfo.HashesExtension),
			metainfo.HashesExtension, ourHashes, len(metainfo.QuietExtension), metainfo.QuietExtension, ourQuiet,
			len(t.Info), port, len(metainfo.ClientName), metainfo.ClientName, len(yourIP), yourIP)
		if err := w.send(msgExtended, []byte(hello)); err != nil {
			return err
		}
	}
	if w.fast {
		if err := w.send(msgHaveNone, nil); err != nil {
			return err
		}
		for _, piece := range allowedFast(t, peer) {
			if err := w.send(msgFast, binary.BigEndian.AppendUint32(nil, piece)); err != nil {
				return err
			}
		}
	}
	if w.dht {
		return w.send(msgPort, binary.BigEndian.AppendUint16(nil, port))
	}
	return nil
}

// port is where we say that we listen: over uTP it is where we call from, as with downloaders of ours.
func (w *wire) port() uint16 {
	if at, err := netip.ParseAddrPort(w.LocalAddr().String()); err == nil && w.LocalAddr().Network() != "tcp" {
		return at.Port()
	}
	var b [2]byte
	_, _ = rand.Read(b[:])                             // never fails
	return 1024 + binary.BigEndian.Uint16(b[:])%60_000 // as any
}

// fastMax is how many pieces our downloaders let a choked peer ask for at most.
const fastMax = 10

// allowedFast returns the pieces that a downloader lets a peer ask for while it is choked. They follow from
// the peer's network (BEP 6, which knows IPv4 and v1 only).
func allowedFast(t *metainfo.Torrent, peer netip.Addr) (set []uint32) {
	peer = peer.Unmap()
	if !peer.Is4() || !t.V1 {
		return nil
	}
	network := peer.As4()
	network[3] = 0
	x := append(network[:], t.Infohash[:]...)
	for range fastMax {
		sum := sha1.Sum(x) // #nosec G401 -- BEP 6 has it
		x = sum[:]
		for at := 0; at < len(x) && len(set) < fastMax; at += 4 {
			piece := binary.BigEndian.Uint32(x[at:]) % uint32(t.Pieces) // #nosec G115 -- within limits
			if !slices.Contains(set, piece) {
				set = append(set, piece)
			}
		}
	}
	return set
}

func (w *wire) send(kind byte, payload []byte) error {
	size := uint32(1 + len(payload)) // #nosec G115 -- small
	w.buf = binary.BigEndian.AppendUint32(w.buf[:0], size)
	w.buf = append(append(w.buf, kind), payload...)
	_, err := w.out.Write(w.buf)
	return err
}

func (w *wire) request(piece, begin, length int) error {
	var b []byte
	for _, n := range []int{piece, begin, length} {
		b = binary.BigEndian.AppendUint32(b, uint32(n)) // #nosec G115 -- within limits
	}
	return w.send(msgRequest, b)
}

// wait says whether something came before a time. The connection's deadline stays.
func (w *wire) wait(ctx context.Context, until, deadline time.Time) (came bool, err error) {
	if err := w.out.Flush(); err != nil {
		return false, err
	}
	if err := w.SetReadDeadline(until); err != nil {
		return false, err
	}
	_, err = w.in.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ctx.Err() // else the time is over, not the try
	} else {
		came = err == nil
	}
	return came, errors.Join(err, w.SetReadDeadline(deadline), ctx.Err())
}

// receive returns the next message; a keepalive has no kind. The payload is good until something
// else is sent or received.
func (w *wire) receive() (kind int, payload []byte, err error) {
	if err := w.out.Flush(); err != nil {
		return 0, nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 {
		return -1, nil, nil
	}
	if n > messageMax {
		return 0, nil, fmt.Errorf("peer sent a message of %d bytes", n)
	}
	if int(n) > cap(w.buf) {
		w.buf = make([]byte, n)
	}
	body := w.buf[:n]
	if _, err := io.ReadFull(w.in, body); err != nil {
		return 0, nil, err
	}
	return int(body[0]), body[1:], nil
}
