package orderbook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/everseed/everseed/marketplace"
)

func TestAnEpochOpensOnlyWithTheSecretThatWasPromisedBeforeItBegan(t *testing.T) {
	t.Parallel()
	s := aStage(t)
	ctx, k := t.Context(), s.rules.EpochAt(s.now)
	begins := s.rules.EpochStart(k + 1)
	open := marketplace.AuditEpoch{Epoch: k + 1, Commit: marketplace.Hash{5}, Auditors: panel}
	if err := s.Book.OpenEpoch(ctx, open, begins); !errors.Is(err, marketplace.NotFound) {
		t.Errorf("without a promise: %v", err)
	}
	if err := s.Promise(ctx, k+1, open.Commit, begins); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("promised when it has begun: %v", err)
	}
	s.must(s.Promise(ctx, k+1, open.Commit, begins.Add(-time.Microsecond)))
	s.must(s.Promise(ctx, k+1, marketplace.Hash{6}, s.now)) // what was promised once stays
	other := open
	other.Commit = marketplace.Hash{6}
	if err := s.Book.OpenEpoch(ctx, other, begins); !errors.Is(err, marketplace.Conflict) {
		t.Errorf("with another commit: %v", err)
	}
	s.must(s.Book.OpenEpoch(ctx, open, begins))
	e, err := s.AuditEpoch(ctx, k+1)
	if err != nil || !e.PromisedAt.Equal(begins.Add(-time.Microsecond)) {
		t.Errorf("%+v %v", e, err)
	}
}
