package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// The messages of BEP 3 that a rogue speaks.
const (
	chokeMsg, unchokeMsg, interestedMsg, bitfieldMsg, requestMsg, pieceMsg = 0, 1, 2, 5, 6, 7
	greeting                                                               = "\x13BitTorrent protocol"
)

// A rogue is an agent that takes leases and says at once that it has everything. What it sends is
// its own affair.
type rogue struct {
	name   string
	key    escrow.Key
	market *client.Client
	torr   *metainfo.Torrent
	block  func(piece, begin, length int) []byte // nil: silence
	serves func(netip.Addr) bool                 // nil: everybody
}

// open puts up an offer and serves until ctx is done.
func (r *rogue) open(ctx context.Context, listen string, price marketplace.Amount) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	if err := r.market.Login(ctx, r.key); err != nil {
		return err
	}
	if _, err := r.market.PutOffer(ctx, marketplace.OfferTerms{Storage: 1 << 30, UploadRate: 50 << 20,
		LeasesMax: 5, PriceMin: price, TermMax: marketplace.Span(marketplace.Day), TorrentMax: 1 << 30,
		Region: "europe", Peer: listen, Payee: r.key.Address()}); err != nil {
		return err
	}
	go r.listen(ctx, ln)
	go r.take(ctx)
	return nil
}

// take accepts every lease and claims to hold it.
func (r *rogue) take(ctx context.Context) {
	for ctx.Err() == nil {
		leases, _ := r.market.LiveLeases(ctx, r.key.Address()) // the next round sees it again
		for _, l := range leases {
			switch l.State {
			case marketplace.Reserved:
				_, _ = r.market.Accept(ctx, l.ID)
			case marketplace.Fetching:
				_, _ = r.market.Ready(ctx, l.ID, marketplace.Hash{})
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (r *rogue) listen(ctx context.Context, ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			if r.serves != nil && !r.serves(netip.MustParseAddrPort(c.RemoteAddr().String()).Addr()) {
				_ = c.Close()
				return
			}
			_ = r.serve(c) // whoever asked is gone, or spoke another language
			_ = c.Close()
		}()
	}
}

// serve is the whole of BEP 3 that a downloader needs of a seeder.
func (r *rogue) serve(c net.Conn) error {
	if err := shakeHands(c, r.torr, false); err != nil {
		return err
	}
	all := make([]byte, (r.torr.Pieces+7)/8)
	for i := range r.torr.Pieces {
		all[i/8] |= 0x80 >> (i % 8)
	}
	if err := errors.Join(tell(c, bitfieldMsg, all), tell(c, unchokeMsg, nil)); err != nil {
		return err
	}
	for {
		kind, body, err := hear(c)
		if err != nil {
			return err
		}
		if kind != requestMsg || len(body) < 12 {
			continue
		}
		n := func(i int) int { return int(binary.BigEndian.Uint32(body[i:])) }
		if sent := r.block(n(0), n(4), n(8)); sent != nil {
			if err := tell(c, pieceMsg, append(body[:8:8], sent...)); err != nil {
				return err
			}
		}
	}
}

// shakeHands exchanges handshakes; whoever dials speaks first.
func shakeHands(c net.Conn, t *metainfo.Torrent, dials bool) error {
	ours := append([]byte(greeting), make([]byte, 8)...)
	ours = append(append(ours, t.Infohash[:]...), "-RG0001-abcdefghijkl"...)
	if dials {
		if _, err := c.Write(ours); err != nil {
			return err
		}
	}
	theirs := make([]byte, 68)
	if _, err := io.ReadFull(c, theirs[:20]); err != nil {
		return err
	}
	if string(theirs[:20]) != greeting {
		return errors.New("not plain BitTorrent")
	}
	if _, err := io.ReadFull(c, theirs[20:]); err != nil || dials {
		return err
	}
	_, err := c.Write(ours)
	return err
}

func tell(c net.Conn, kind byte, body []byte) error {
	message := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))
	_, err := c.Write(append(append(message, kind), body...))
	return err
}

// hear reads one message; one that keeps the connection alive is passed over.
func hear(c net.Conn) (kind byte, body []byte, err error) {
	var head [4]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return 0, nil, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > 1<<20 {
			return 0, nil, fmt.Errorf("a message of %d bytes", n)
		}
		if n > 0 {
			body = make([]byte, n)
			_, err = io.ReadFull(c, body)
			return body[0], body[1:], err
		}
	}
}

// relayed asks another peer for a block, over a connection of its own each time.
func relayed(t *metainfo.Torrent, from string) func(piece, begin, length int) []byte {
	return func(piece, begin, length int) []byte {
		c, err := net.DialTimeout("tcp", from, time.Second)
		if err != nil {
			return nil
		}
		defer c.Close()
		if c.SetDeadline(time.Now().Add(5*time.Second)) != nil || shakeHands(c, t, true) != nil ||
			tell(c, interestedMsg, nil) != nil {
			return nil
		}
		ask := make([]byte, 12)
		for i, n := range []int{piece, begin, length} {
			binary.BigEndian.PutUint32(ask[4*i:], uint32(n))
		}
		for {
			kind, body, err := hear(c)
			switch {
			case err != nil:
				return nil
			case kind == unchokeMsg:
				if tell(c, requestMsg, ask) != nil {
					return nil
				}
			case kind == pieceMsg && len(body) > 8:
				return body[8:]
			}
		}
	}
}

// held reads the content of a torrent, whole.
func held(t *metainfo.Torrent, parent string) (all []byte, err error) {
	all = make([]byte, t.Size)
	for _, f := range t.Files {
		if f.Pad {
			continue
		}
		bytes, err := os.ReadFile(filepath.Join(append([]string{parent}, f.Path...)...))
		if err != nil {
			return nil, err
		}
		copy(all[f.Offset:], bytes)
	}
	return all, nil
}
