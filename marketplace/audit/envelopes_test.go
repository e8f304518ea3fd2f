package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

// mute is a desk that takes commitments and dies before it takes a report.
type mute struct {
	*desk
	reached chan int64 // the first epoch that it was told of
}

func (m *mute) Reveal(_ context.Context, all []marketplace.Report) ([]marketplace.NotTaken, error) {
	select {
	case m.reached <- all[0].Epoch:
	default:
	}
	return nil, marketplace.Unavailable.Errorf("gone")
}

// begin runs an auditor until the returned function is called.
func begin(t *testing.T, a *audit.Auditor) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	return func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func TestAnAuditorThatWasKilledOpensWhatItCommittedTo(t *testing.T) {
	t.Parallel()
	d := &desk{rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{}, tried: map[[2]int64]bool{},
		early: true, leases: []marketplace.Lease{{ID: 1, Peer: "no address"}, {ID: 2, Peer: "none either"}}}
	d.rules.ReportSlack = marketplace.Span(time.Minute) // for machines that have much to do
	d.rules.Attempts = 1
	dir := t.TempDir()
	auditor := func(m audit.Market) *audit.Auditor {
		kept, err := audit.OpenEnvelopes(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		return &audit.Auditor{Address: d.auditors[0], Market: m, Rules: d.rules, Guard: devnet,
			Sign: sign, Envelopes: kept}
	}
	first := &mute{d, make(chan int64, 1)}
	end := begin(t, auditor(first))
	epoch := <-first.reached // it is over, and all is committed
	end()
	names, err := filepath.Glob(filepath.Join(dir, "*.sealed"))
	if err != nil || len(names) == 0 {
		t.Fatalf("nothing is kept: %v", err)
	}
	torn, err := os.OpenFile(names[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = torn.WriteString("\n{\"infohash\":\"00")
	if err := errors.Join(err, torn.Close()); err != nil {
		t.Fatal(err)
	}
	end = begin(t, auditor(d))
	defer end()
	for leases := map[int64]bool{}; !leases[1] || !leases[2]; {
		<-d.heard
		d.mu.Lock()
		for _, r := range d.reports {
			leases[r.Lease] = leases[r.Lease] || r.Epoch == epoch
			if !d.committed[r.Commitment()] {
				t.Errorf("lease %d: another report than was committed to", r.Lease)
			}
		}
		d.mu.Unlock()
	}
}
