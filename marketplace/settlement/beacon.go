package settlement

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A Beacon is the operator's part of the chance that decides who is asked what in an epoch. The
// other part is the hash of the epoch's first solid block. Neither the operator nor a block
// producer can choose the outcome: the operator's part is committed to before the block is
// known, and the producer does not know the operator's part.
type Beacon struct{ Key [32]byte }

// Secret returns the operator's part for an epoch.
func (b Beacon) Secret(epoch int64) (secret marketplace.Hash) {
	mac := hmac.New(sha256.New, b.Key[:])
	fmt.Fprint(mac, "everseed epoch ", epoch)
	mac.Sum(secret[:0])
	return secret
}

// Commit returns the hash that binds the operator to an epoch's secret. Publish it while the
// epoch before is running.
func (b Beacon) Commit(epoch int64) marketplace.Hash {
	secret := b.Secret(epoch)
	return sha256.Sum256(secret[:])
}

// openEpoch opens the running epoch when its first block is solid. Epochs that passed while
// nobody was here stay closed: nothing was audited in them, so nothing is paid or blamed.
func (s *Settler) openEpoch(ctx context.Context, now time.Time) (int, error) {
	r := s.Book.Rules()
	epoch := r.EpochAt(now)
	last, err := s.Book.LastEpoch(ctx)
	if err != nil || last >= epoch {
		return 0, err
	}
	block, ok, err := s.Vault.FirstSolidBlock(ctx, r.EpochStart(epoch))
	if err != nil || !ok || !block.Time.Before(r.EpochStart(epoch+1)) {
		return 0, err
	}
	seats, named, err := s.Book.Panel(ctx, epoch, now)
	if err != nil {
		return 0, err
	}
	err = s.Book.OpenEpoch(ctx, marketplace.AuditEpoch{
		Epoch: epoch, Block: block.Number, Hash: block.ID, Auditors: seats, NamedAt: named,
		Commit: s.Beacon.Commit(epoch), Secret: s.Beacon.Secret(epoch),
	}, now)
	if err != nil {
		return 0, err
	}
	s.Log.InfoContext(ctx, "epoch open", "epoch", epoch, "block", block.Number,
		"next_commit", s.Beacon.Commit(epoch+1))
	return 1, nil
}

// namePanel names the panel of the next epoch once half of the running one is over: by then the
// epoch before is judged, so that who lost its standing there has no seat.
func (s *Settler) namePanel(ctx context.Context, now time.Time) (int, error) {
	r := s.Book.Rules()
	next := r.EpochAt(now) + 1
	if next <= s.named || now.Before(r.EpochStart(next).Add(-r.Epoch.Duration()/2)) {
		return 0, nil
	}
	named, err := s.Book.NamePanel(ctx, next, now)
	if err != nil {
		return 0, err
	}
	s.named = next
	if !named {
		return 0, nil
	}
	return 1, nil
}
