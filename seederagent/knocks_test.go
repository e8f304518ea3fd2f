package seederagent

import (
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent/swarm"
)

// serving returns an agent that holds a torrent under lease, and its infohash.
func serving(t *testing.T, loopback bool) (*Agent, marketplace.Infohash) {
	t.Helper()
	a, _, h := holder(t, loopback)
	a.state.set([]marketplace.Lease{{Infohash: h}}, time.Now())
	return a, h
}

// holder returns an agent that holds a torrent.
func holder(t *testing.T, loopback bool) (a *Agent, raw []byte, h marketplace.Infohash) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "content"), make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := metainfo.Build(t.Context(), filepath.Join(dir, "content"), 16<<10, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := escrow.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	a = &Agent{Key: key, Log: slog.New(slog.DiscardHandler), doorman: newDoorman()}
	a.Engine, err = swarm.Open(swarm.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", KeepFree: 1,
		AllowLoopback: loopback, NoDHT: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Engine.Close() })
	if h, err = a.Engine.Adopt(raw, dir); err != nil {
		t.Fatal(err)
	}
	if err := a.Engine.Wait(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return a, raw, h
}

// comes says whether somebody connects to a listener within a time.
func comes(t *testing.T, l *net.TCPListener, within time.Duration) bool {
	t.Helper()
	if err := l.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func TestAnAgentConnectsToWhoKnocksForWhatItIsPaidForOnly(t *testing.T) {
	t.Parallel()
	a, h := serving(t, true)
	careful, _ := serving(t, false) // on the public internet, this machine is nobody
	knock := func(a *Agent, k marketplace.Knock) {
		data, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		a.open(t.Context(), marketplace.Event{Kind: marketplace.KnockKind, Data: data})
	}
	for name, tc := range map[string]struct {
		agent *Agent
		h     marketplace.Infohash
		as    marketplace.Address
		comes bool
	}{
		"leased":         {a, h, a.Key.Address(), true},
		"another's":      {a, h, careful.Key.Address(), false},
		"not leased":     {a, marketplace.Infohash{7}, a.Key.Address(), false},
		"to the machine": {careful, h, careful.Key.Address(), false},
	} {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		knock(tc.agent, marketplace.Knock{Infohash: tc.h, Agent: tc.as, Address: l.Addr().String()})
		within := 20 * time.Second
		if !tc.comes {
			within = 300 * time.Millisecond
		}
		if got := comes(t, l, within); got != tc.comes {
			t.Errorf("%s: connects %v", name, got)
		}
		_ = l.Close()
	}
	a.state.set(nil, time.Now()) // the lease is over; the content may still be there
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	knock(a, marketplace.Knock{Infohash: h, Agent: a.Key.Address(), Address: l.Addr().String()})
	if comes(t, l, 300*time.Millisecond) {
		t.Error("it connects for a lease that is over")
	}
}

func TestStrangersMakeAnAgentConnectTenTimesASecondAtMost(t *testing.T) {
	t.Parallel()
	a, h := serving(t, true)
	data, err := json.Marshal(marketplace.Knock{Infohash: h, Agent: a.Key.Address(),
		Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 1000 {
		a.open(t.Context(), marketplace.Event{Kind: marketplace.KnockKind, Data: data})
	}
	a.doorman.dials.SetLimit(0)
	if left := a.doorman.dials.Tokens(); left > float64(dialsMax)*time.Since(began).Seconds() {
		t.Errorf("%.1f connections more were free after 1000 knocks", left)
	}
}
