package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/everseed/everseed/deploy/devstack/tracker"
	"github.com/everseed/everseed/marketplace"
)

// trackers are HTTP trackers on this machine.
type trackers struct {
	servers []*http.Server
}

// open starts a tracker, tells it of some seeders of a torrent, and returns its announce address.
func (t *trackers) open(ctx context.Context, h marketplace.Infohash, seeders ...netip.AddrPort) (
	string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start tracker: %w", err)
	}
	server := &http.Server{Handler: &tracker.Tracker{Interval: 5 * time.Minute},
		ReadHeaderTimeout: 5 * time.Second}
	t.servers = append(t.servers, server)
	go func() { _ = server.Serve(ln) }() // it ends with close
	address := "http://" + ln.Addr().String() + "/announce"
	for _, s := range seeders {
		if err := announce(ctx, address, h, s); err != nil {
			return "", fmt.Errorf("announce %s: %w", s, err)
		}
	}
	return address, nil
}

// announce tells a tracker of a seeder, from the seeder's own address: a tracker believes no other.
func announce(ctx context.Context, tracker string, h marketplace.Infohash,
	seeder netip.AddrPort) error {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: seeder.Addr().AsSlice()}}
	web := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: from.DialContext, DisableKeepAlives: true}}
	q := url.Values{"info_hash": {string(h[:])}, "peer_id": {"-ES0001-devnet000000"},
		"port": {strconv.Itoa(int(seeder.Port()))}, "left": {"0"}, "event": {"started"},
		"uploaded": {"0"}, "downloaded": {"0"}, "compact": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, tracker+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	return errors.Join(err, resp.Body.Close())
}

func (t *trackers) close() error {
	var errs []error
	for _, s := range t.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
