package seederagent

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/everseed/everseed/marketplace"
)

// Were everything passed on, an auditor and an agent that names a stranger's address as its own could
// send mail by other people's lines. So the agent passes on what both sides say first and no more,
// until both have begun to speak BitTorrent: a handshake of BEP 3, or an obfuscated one, whose keys
// look like chance and like no protocol that a stranger's machine would answer in.

const (
	protocol      = "\x13BitTorrent protocol"
	handshakeSize = 68 // of BEP 3: protocol, reserved bits, infohash, peer id
	infohashAt    = 28
	keySize       = 96 // of an obfuscated handshake
)

// A meter counts what a visit passes on.
type meter struct {
	passed atomic.Int64 // bytes, both ways
	met    atomic.Bool  // there was a connection at least once
}

// more counts bytes in, unless they are too many.
func (m *meter) more(n int) bool {
	if m.passed.Add(int64(n)) <= carryBytes {
		return true
	}
	m.passed.Add(int64(-n))
	return false
}

// greet passes on how an auditor and a peer begin, and refuses what is not BitTorrent, of a torrent.
func (m *meter) greet(auditor, peer net.Conn, h marketplace.Infohash) error {
	no := marketplace.Invalid.Errorf
	first, plain, err := begins(auditor, handshakeSize)
	switch {
	case err != nil:
		return err
	case plain && marketplace.Infohash(first[infohashAt:infohashAt+len(h)]) != h:
		return no("the auditor asks for another torrent than that of the lease")
	case !plain && !byChance(first):
		return no("the auditor does not speak BitTorrent")
	}
	if err := m.send(peer, first); err != nil {
		return err
	}
	answer, answersPlain, err := begins(peer, len(protocol))
	switch {
	case err != nil:
		return err
	case plain != answersPlain || !plain && !byChance(answer):
		return no("the peer does not speak BitTorrent")
	}
	return m.send(auditor, answer)
}

// begins reads how somebody begins: some bytes of a plain handshake, or the key of an obfuscated one.
func begins(c net.Conn, some int) (first []byte, plain bool, err error) {
	first = make([]byte, keySize)
	if _, err := io.ReadFull(c, first[:len(protocol)]); err != nil {
		return nil, false, err
	}
	if plain = string(first[:len(protocol)]) == protocol; plain {
		first = first[:some]
	}
	_, err = io.ReadFull(c, first[len(protocol):])
	return first, plain, err
}

// byChance says whether bytes look like a key: of its 96, 48 are above 127, give or take 5, while none of a
// text's is. TLS, which has keys too, begins with a head of its own. Of two million keys one does not look
// like one.
func byChance(b []byte) bool {
	high := 0
	for _, x := range b {
		high += int(x >> 7)
	}
	tls := b[0] >= 20 && b[0] <= 24 && b[1] == 3 && b[2] <= 4 && b[3] <= 72
	return high >= len(b)/5 && !tls
}

// pass moves bytes both ways, until either side ends or they are too many.
func (m *meter) pass(auditor, peer net.Conn) {
	var ways sync.WaitGroup
	for to, from := range map[net.Conn]net.Conn{auditor: peer, peer: auditor} {
		ways.Go(func() {
			m.move(to, from)
			_, _ = to.Close(), from.Close() // which ends the other way
		})
	}
	ways.Wait()
}

func (m *meter) move(to, from net.Conn) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if m.send(to, b[:n]) != nil || err != nil {
			return
		}
	}
}

func (m *meter) send(to net.Conn, b []byte) error {
	if !m.more(len(b)) {
		return marketplace.TooMany.Errorf("more than %s pass", Size(carryBytes))
	}
	_, err := to.Write(b)
	return err
}
