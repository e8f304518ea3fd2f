package audit_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
)

func anEpochOf(leases int) (marketplace.Rules, marketplace.AuditEpoch) {
	r := marketplace.DefaultRules()
	e := marketplace.AuditEpoch{Epoch: 100, Secret: marketplace.Hash{9}, Commit: audit.Commit(marketplace.Hash{9})}
	for i := range byte(7) {
		e.Auditors = append(e.Auditors, marketplace.Seat{Auditor: marketplace.Address{i + 1},
			Capacity: marketplace.CapacityMax, Signs: true})
	}
	for id := range int64(leases) {
		e.Leases = append(e.Leases, marketplace.Lease{ID: id, Infohash: marketplace.Infohash{byte(id % 5)}})
	}
	return r, e
}

// TestPartsTellNothingOfOthers looks for what a part has in common with the parts of others: a torrent's burst
// alone, which all that come in its window ask for.
func TestPartsTellNothingOfOthers(t *testing.T) {
	t.Parallel()
	r, e := anEpochOf(300)
	r.QuietEvery = r.Epoch // every torrent has a window
	drawn, seeds, bursts := r.Draw(e), map[marketplace.Hash]bool{}, map[marketplace.Hash]marketplace.Infohash{}
	visits := 0
	for _, seat := range e.Auditors {
		parts := audit.PartsOf(r, e, drawn, seat.Auditor)
		visits += len(parts)
		for _, p := range parts {
			l, _ := e.Lease(p.Lease)
			if !slices.Contains(drawn[p.Lease], seat.Auditor) || seeds[p.Seed] || p.Seed == e.Seed() {
				t.Errorf("%s is told %+v", seat.Auditor, p)
			}
			seeds[p.Seed] = true
			if of, known := bursts[p.Burst]; p.InWindow() && known && of != l.Infohash {
				t.Errorf("the bursts of %s and %s are drawn alike", of, l.Infohash)
			}
			if p.InWindow() {
				bursts[p.Burst] = l.Infohash
			}
		}
	}
	if visits != r.Auditors*len(e.Leases) || len(bursts) != 5 {
		t.Errorf("%d visits and %d bursts", visits, len(bursts))
	}
}

func TestPartsThatDifferInAnythingAreNotTheSame(t *testing.T) {
	t.Parallel()
	part := func() marketplace.Part {
		return marketplace.Part{Lease: 1, Tries: []time.Time{time.Unix(7, 0).UTC()}}
	}
	if !part().Is(part()) {
		t.Error("a part is not itself")
	}
	fields := reflect.TypeFor[marketplace.Part]()
	for i := range fields.NumField() {
		other := part()
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		if f := reflect.ValueOf(part()).Field(i); f.IsZero() {
			reflect.ValueOf(&other).Elem().Field(i).Set(reflect.ValueOf(marketplace.Hash{1}))
		}
		if other.Is(part()) {
			t.Errorf("it is the same with another %s", fields.Field(i).Name)
		}
	}
}

// A deceiver tells an auditor of epochs otherwise than they are.
type deceiver struct {
	*desk
	tells func(*marketplace.AuditEpoch)
}

func (d deceiver) AuditEpoch(ctx context.Context, k int64) (marketplace.AuditEpoch, error) {
	e, err := d.desk.AuditEpoch(ctx, k)
	if err == nil {
		d.tells(&e)
	}
	return e, err
}

// whileItLasts spoils what is told of an epoch until it is over.
func whileItLasts(spoil func(*marketplace.AuditEpoch)) func(*marketplace.AuditEpoch) {
	return func(e *marketplace.AuditEpoch) {
		if e.Secret.IsZero() {
			spoil(e)
		}
	}
}

// errorsOf is a log that hands on the messages of errors, and the epochs that they are about.
type errorsOf struct {
	slog.Handler
	said chan said
}

type said struct {
	message string
	epoch   int64
}

func (e errorsOf) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelError {
		return nil
	}
	s := said{message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "epoch" {
			s.epoch = a.Value.Int64()
		}
		return true
	})
	select {
	case e.said <- s:
	default:
	}
	return nil
}

// of waits for an error.
func (e errorsOf) of(t *testing.T, message string) (epoch int64) {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		select {
		case s := <-e.said:
			if s.message == message {
				return s.epoch
			}
		case <-end:
			t.Fatalf("nothing is said of %q", message)
		}
	}
}

func (e errorsOf) Enabled(context.Context, slog.Level) bool { return true }

func TestNoReportIsRevealedOfAnEpochThatToldAFalsePart(t *testing.T) {
	t.Parallel()
	const untrue = "false part of an epoch"
	for name, tc := range map[string]struct {
		tells func(*marketplace.AuditEpoch)
		found string
	}{
		"another seed": {whileItLasts(func(e *marketplace.AuditEpoch) { e.Parts[1].Seed[0]++ }), untrue},
		"another time": {whileItLasts(func(e *marketplace.AuditEpoch) {
			e.Parts[0].Tries[0] = e.Parts[0].Tries[0].Add(time.Microsecond)
		}), untrue},
		"a window of its own": {whileItLasts(func(e *marketplace.AuditEpoch) { e.Parts[0].Burst[0]++ }), untrue},
		"a part kept back":    {whileItLasts(func(e *marketplace.AuditEpoch) { e.Parts = e.Parts[1:] }), untrue},
		"all parts kept back": {whileItLasts(func(e *marketplace.AuditEpoch) { e.Parts = e.Parts[:0] }), untrue},
		"a part too many": {whileItLasts(func(e *marketplace.AuditEpoch) {
			e.Parts = append(e.Parts, marketplace.Part{Lease: 3, Tries: e.Parts[0].Tries})
		}), untrue},
		"another secret than was promised": {func(e *marketplace.AuditEpoch) {
			if !e.Secret.IsZero() {
				e.Secret[3]++
				e.Commit = audit.Commit(e.Secret)
			}
		}, untrue},
		"no secret ever": {func(e *marketplace.AuditEpoch) { e.Secret = marketplace.Hash{} }, "audit report lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &desk{rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
				torrents: map[marketplace.Infohash][]byte{}, tried: map[[2]int64]bool{}, early: true,
				leases: []marketplace.Lease{{ID: 1, Peer: "no address"}, {ID: 2, Peer: "none either"}}}
			d.rules.Attempts = 1
			dir := t.TempDir()
			auditor := func(m audit.Market) (*audit.Auditor, errorsOf) {
				kept, err := audit.OpenEnvelopes(dir)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = kept.Close() })
				log := errorsOf{slog.DiscardHandler, make(chan said, 100)}
				return &audit.Auditor{Address: d.auditors[0], Market: m, Rules: d.rules, Guard: devnet,
					Sign: sign, Envelopes: kept, Log: slog.New(log)}, log
			}
			market := deceiver{d, tc.tells}
			a, log := auditor(market)
			end := begin(t, a)
			epoch := log.of(t, tc.found)
			end()
			if len(d.reports) > 0 {
				t.Fatalf("reports were revealed: %+v", d.reports)
			}
			if tc.found != untrue {
				return
			}
			// What is false stays so for who is started again.
			a, log = auditor(market)
			end = begin(t, a)
			if again := log.of(t, untrue); again != epoch {
				t.Errorf("epoch %d is false, then %d", epoch, again)
			}
			end()
			if len(d.reports) > 0 {
				t.Fatalf("reports were revealed after all: %+v", d.reports)
			}
			e, err := market.AuditEpoch(t.Context(), epoch)
			if err != nil {
				t.Fatal(err)
			}
			if told, kept, err := a.Envelopes.Roster(epoch); err != nil || !kept ||
				told.Check(d.rules, e, a.Address) == nil {
				t.Errorf("what was told is not kept: %+v %v", told, err)
			}
		})
	}
}

func TestARosterThatWasTrueIsNotKept(t *testing.T) {
	t.Parallel()
	d := &desk{rules: rules(), auditors: []marketplace.Address{{1}}, heard: make(chan struct{}, 1),
		torrents: map[marketplace.Infohash][]byte{}, tried: map[[2]int64]bool{}, early: true,
		leases: []marketplace.Lease{{ID: 1, Peer: "no address"}}}
	d.rules.Attempts = 1
	dir := t.TempDir()
	kept, err := audit.OpenEnvelopes(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	end := begin(t, &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet,
		Sign: sign, Envelopes: kept})
	epoch := d.wait(t, 1)[0].Epoch
	end()
	if _, is, err := kept.Roster(epoch); is || err != nil {
		t.Errorf("the roster of epoch %d is kept: %v", epoch, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.next")); len(left) > 0 || err != nil {
		t.Errorf("left are %v %v", left, err)
	}
}

func TestWhoIsStartedAgainInAnEpochIsToldTheSame(t *testing.T) {
	t.Parallel()
	d := &broken{desk{rules: rules(), auditors: []marketplace.Address{{1}}, early: true,
		leases: []marketplace.Lease{{ID: 1, Peer: "no address"}}}, func(*marketplace.AuditEpoch) {}}
	dir := t.TempDir()
	step := func() error {
		kept, err := audit.OpenEnvelopes(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		a := &audit.Auditor{Address: d.auditors[0], Market: d, Rules: d.rules, Guard: devnet, Sign: sign,
			Envelopes: kept}
		_, err = a.Step(t.Context(), d.rules.EpochStart(honest+1))
		return err
	}
	for range 2 {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	d.spoil = func(e *marketplace.AuditEpoch) { e.Parts[0].Seed[0]++ }
	if err := step(); err == nil {
		t.Error("another part is worked from")
	}
}
