package audit_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"

	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

// listener is a seed that notes what who comes says before it asks for anything: the handshake without the
// random part of its peer id, and each message. The last byte of what it says it knows is for the test to choose.
func listener(t *testing.T, meta *metainfo.Torrent, bits byte, said chan<- []string) netip.AddrPort {
	t.Helper()
	return peer(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		first, err := in.Peek(20)
		if err != nil {
			return
		}
		var rw io.ReadWriter = struct {
			io.Reader
			io.Writer
		}{in, c}
		if string(first) != "\x13BitTorrent protocol" {
			rw, _, err = mse.ReceiveHandshake(t.Context(), rw, func(yield func([]byte) bool) { yield(meta.Infohash[:]) },
				mse.DefaultCryptoSelector)
		}
		read := func(n uint32) []byte {
			b := make([]byte, n)
			if err == nil {
				_, err = io.ReadFull(rw, b)
			}
			return b
		}
		if err != nil {
			return
		}
		words := []string{fmt.Sprintf("%q", read(68)[:56])}
		_, _ = fmt.Fprintf(rw, "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00%c%s%020d%s", bits, meta.Infohash[:], 1,
			message(20, []byte("\x00d1:md9:es_hashesi4e8:es_quieti5e11:ut_metadatai1e6:ut_pexi2ee1:pi1234e4:reqqi250ee"))+
				haveAll+unchoke)
		for err == nil {
			said1 := read(binary.BigEndian.Uint32(read(4)))
			switch {
			case err != nil || len(said1) == 0:
			case said1[0] == 6: // a request
				said <- words
				return
			default:
				words = append(words, worded(said1))
			}
		}
	})
}

// What follows from chance, or from where a peer is, and not from who it is: to our engine each peer on this machine
// has an address of its own.
var itsPort = regexp.MustCompile(`1:pi[0-9]+e`)

func worded(message []byte) string {
	if message[0] == 17 { // of which pieces: see TestWhatAChokedPeerMayAskFor
		message = message[:1]
	}
	if head, tail, told := bytes.Cut(message, []byte("6:yourip4:\x7f")); told && len(tail) > 3 {
		message = slices.Concat(head, []byte("6:yourip4:\x7f\x00\x00\x01"), tail[3:])
	}
	return fmt.Sprintf("%q", itsPort.ReplaceAll(message, []byte("its port ")))
}

func TestAnAuditorSaysWhatADownloaderSays(t *testing.T) {
	t.Parallel()
	_, raw, _ := content(t, 64<<10, 2_000_000, 1)
	meta := parse(t, raw)
	downloader, auditor := make(chan []string, 10), make(chan []string, 10)
	e, err := swarm.Open(swarm.Config{Listen: "127.0.0.1:0", Dir: t.TempDir(), AllowLoopback: true, KeepFree: 1,
		NoTrackers: true, NoDHT: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Add(meta.Infohash, raw, []netip.AddrPort{listener(t, meta, 4, downloader)}); err != nil {
		t.Fatal(err)
	}
	probe := func(bits byte) []string {
		audit.Probe(t.Context(), devnet, 5*time.Second, listener(t, meta, bits, auditor), meta, whole(1), nil)
		return <-auditor
	}
	want := <-downloader
	if got := probe(4); !slices.Equal(got, want) {
		t.Errorf("an auditor says\n%s\nand a downloader\n%s", got, want)
	}
	got := probe(5) // whose DHT is known by a port: a downloader with a DHT says its own, before it is interested
	if n := len(got) - 2; len(got) != len(want)+1 || !regexp.MustCompile(`^"\\t..`).MatchString(got[n]) {
		t.Errorf("to a peer with a DHT an auditor says %q", got)
	}
}
