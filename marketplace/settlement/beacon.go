package settlement

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
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

// Commit returns the hash that binds the operator to an epoch's secret. It is published before the
// epoch begins.
func (b Beacon) Commit(epoch int64) marketplace.Hash {
	secret := b.Secret(epoch)
	return sha256.Sum256(secret[:])
}

// promisedAhead is for how many coming epochs secrets are promised. A market that is away for less
// than the last of them opens it in time when it is back. One that changes its key cannot open them:
// they were promised with the old one.
const promisedAhead = 2

// promise publishes the commits of the coming epochs.
func (s *Settler) promise(ctx context.Context, now time.Time) (n int, err error) {
	running := s.Book.Rules().EpochAt(now)
	newest, err := s.Book.Promises(ctx, orderbook.Page{Limit: 1})
	if err != nil {
		return 0, err
	}
	from := running + 1
	if len(newest) > 0 {
		from = max(from, newest[0].Epoch+1)
	}
	for epoch := from; epoch <= running+promisedAhead; epoch++ {
		if err := s.Book.Promise(ctx, epoch, s.Beacon.Commit(epoch), now); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// openEpoch opens the running epoch when its first block is solid, if its secret was promised in
// time. Epochs that passed while nobody was here stay closed: nothing was audited in them, so nothing
// is paid or blamed.
func (s *Settler) openEpoch(ctx context.Context, now time.Time) (int, error) {
	r := s.Book.Rules()
	epoch := r.EpochAt(now)
	last, err := s.Book.LastEpoch(ctx)
	if err != nil || last >= epoch {
		return 0, err
	}
	promised, err := s.Book.Promised(ctx, epoch)
	if errors.Is(err, marketplace.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	commit := s.Beacon.Commit(epoch)
	if promised.Commit != commit {
		return 0, marketplace.Conflict.Errorf("the secret of epoch %d was promised with another key; the"+
			" epoch stays closed", epoch)
	}
	block, ok, err := s.Vault.FirstSolidBlock(ctx, r.EpochStart(epoch))
	if err != nil || !ok || !block.Time.Before(r.EpochStart(epoch+1)) {
		return 0, err
	}
	seats, named, err := s.Book.Panel(ctx, epoch)
	if errors.Is(err, marketplace.NotFound) {
		return 0, nil // nobody was named before the block was known
	}
	if err != nil {
		return 0, err
	}
	err = s.Book.OpenEpoch(ctx, marketplace.AuditEpoch{
		Epoch: epoch, Block: block.Number, Hash: block.ID, Auditors: seats, NamedAt: named,
		Commit: commit, Secret: s.Beacon.Secret(epoch),
	}, now)
	if err != nil {
		return 0, err
	}
	s.Log.InfoContext(ctx, "epoch open", "epoch", epoch, "block", block.Number)
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
