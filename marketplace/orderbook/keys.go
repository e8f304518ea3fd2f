package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// An APIKey lets its bearer act for an account. Only the hash of its secret is stored.
type APIKey struct {
	ID        int64
	Account   marketplace.Address
	Name      string
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

const keyColumns = `id, account, name, scopes, created_at, expires_at, revoked_at`

func scanKey(row pgx.CollectableRow) (k APIKey, err error) {
	return k, row.Scan(&k.ID, &k.Account, &k.Name, &k.Scopes, at{&k.CreatedAt}, at{&k.ExpiresAt},
		at{&k.RevokedAt})
}

// CreateKey stores a key by the hash of its secret. Asked again by the same request it makes no
// second one, and cannot say the first one's secret again.
func (b *Book) CreateKey(ctx context.Context, k Key, name string, scopes []string, hash [32]byte,
	expires, now time.Time) (made APIKey, err error) {
	err = b.act(ctx, now, func(a *act) error {
		before, err := a.repeated(k)
		if err != nil {
			return err
		}
		if before != 0 {
			return marketplace.Conflict.Errorf("this request made key %d before, and its secret is told"+
				" once only: end that key and make another", before)
		}
		made, err = one(ctx, a.Tx, "key", scanKey, `INSERT INTO api_keys
			(account, name, scopes, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
			RETURNING `+keyColumns, k.Account, name, scopes, hash[:], now, expires)
		if err != nil {
			return err
		}
		return a.answer(k, made.ID)
	})
	return made, err
}

// KeyByHash returns a key that is still good, or refuses.
func (b *Book) KeyByHash(ctx context.Context, hash [32]byte, now time.Time) (APIKey, error) {
	k, err := one(ctx, b.pool, "such key", scanKey, `SELECT `+keyColumns+` FROM api_keys
		WHERE hash = $1 AND expires_at > $2 AND revoked_at IS NULL`, hash[:], now)
	if errors.Is(err, marketplace.NotFound) {
		return k, marketplace.Unauthorized.Errorf("this key or session is unknown, expired or revoked;" +
			" sign in again")
	}
	return k, err
}

// Keys returns an account's keys, newest first.
func (b *Book) Keys(ctx context.Context, account marketplace.Address) ([]APIKey, error) {
	return many(ctx, b.pool, "keys", scanKey, `SELECT `+keyColumns+` FROM api_keys
		WHERE account = $1 ORDER BY id DESC LIMIT $2`, account, pageMax)
}

// RevokeKey ends a key for good.
func (b *Book) RevokeKey(
	ctx context.Context, account marketplace.Address, id int64, now time.Time,
) error {
	n, err := b.exec(ctx, "revoke key", `UPDATE api_keys SET revoked_at = $3
		WHERE id = $1 AND account = $2 AND revoked_at IS NULL`, id, account, now)
	if err == nil && n == 0 {
		return marketplace.NotFound.Errorf("you have no key %d that is still good", id)
	}
	return err
}

// NewNonce stores what a login text must carry.
func (b *Book) NewNonce(
	ctx context.Context, nonce string, account marketplace.Address, expires time.Time,
) error {
	_, err := b.exec(ctx, "store nonce", `INSERT INTO nonces (nonce, account, expires)
		VALUES ($1, $2, $3)`, nonce, account, expires)
	return err
}

// UseNonce takes a nonce, once, and forgets those that expired.
func (b *Book) UseNonce(
	ctx context.Context, nonce string, account marketplace.Address, now time.Time,
) error {
	return b.act(ctx, now, func(a *act) error {
		n, err := a.exec(`DELETE FROM nonces WHERE nonce = $1 AND account = $2 AND expires > $3`,
			nonce, account, a.now)
		if err != nil {
			return fmt.Errorf("use nonce: %w", err)
		}
		if n != 1 {
			return marketplace.Unauthorized.Errorf("this challenge was used or is too old; ask for a" +
				" new one")
		}
		if _, err := a.exec(`DELETE FROM nonces WHERE expires <= $1`, a.now); err != nil {
			return fmt.Errorf("forget old nonces: %w", err)
		}
		return nil
	})
}
