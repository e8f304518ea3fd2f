package orderbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectCheque = `SELECT c.id, c.poster, c.mandate, c.payee, c.cumulative, c.bytes, c.state,
	c.drafted_at, coalesce((SELECT x.id FROM chain_txs x WHERE x.cheque = c.id
		ORDER BY x.staged_at DESC LIMIT 1), ''),
	ARRAY(SELECT signer FROM signatures s WHERE s.cheque = c.id ORDER BY signer),
	ARRAY(SELECT signature FROM signatures s WHERE s.cheque = c.id ORDER BY signer),
	coalesce(w.reason, ''), coalesce(w.detail, ''), w.since, w.retry_at, coalesce(w.tries, 0),
	coalesce(w.fee_max, 0)
	FROM cheques c LEFT JOIN cheque_waits w ON w.cheque = c.id AND NOT w.over
		AND c.state NOT IN ('solid', 'replaced') `

func scanCheque(row pgx.CollectableRow) (c marketplace.SignedCheque, err error) {
	var signers, signatures []string
	var w marketplace.Wait
	q := &c.Cheque
	if err := row.Scan(&c.ID, &q.From, &q.Mandate, &q.To, &q.Cumulative, &q.Bytes, &c.State,
		at{&c.DraftedAt}, &c.Tx, &signers, &signatures, &w.Reason, &w.Detail, at{&w.Since},
		at{&w.RetryAt}, &w.Tries, &w.FeeMax); err != nil {
		return c, err
	}
	if w.Reason != "" {
		w.Next = w.Reason.Next()
		c.Wait = &w
	}
	return c, joinSignatures(&c, signers, signatures)
}

// joinSignatures sets a cheque's signatures in ascending order of the signers' bytes, which is
// not that of their text.
func joinSignatures(c *marketplace.SignedCheque, signers, signatures []string) error {
	type pair struct {
		who marketplace.Address
		sig marketplace.Signature
	}
	pairs := make([]pair, len(signers))
	for i := range pairs {
		if err := errors.Join(pairs[i].who.UnmarshalText([]byte(signers[i])),
			pairs[i].sig.UnmarshalText([]byte(signatures[i]))); err != nil {
			return err
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int { return bytes.Compare(x.who[:], y.who[:]) })
	for _, p := range pairs {
		c.Signers, c.Signatures = append(c.Signers, p.who), append(c.Signatures, p.sig)
	}
	return nil
}

func cheque(ctx context.Context, q querier, id int64) (marketplace.SignedCheque, error) {
	return one(ctx, q, fmt.Sprint("cheque ", id), scanCheque, selectCheque+`WHERE c.id = $1`, id)
}

// Cheque returns one cheque.
func (b *Book) Cheque(ctx context.Context, id int64) (marketplace.SignedCheque, error) {
	return cheque(ctx, b.pool, id)
}

// A ChequeFilter chooses cheques; zero fields choose all.
type ChequeFilter struct {
	Payee, From marketplace.Address
	State       marketplace.ChequeState
}

// Cheques returns a page of cheques, newest first.
func (b *Book) Cheques(
	ctx context.Context, f ChequeFilter, p Page,
) ([]marketplace.SignedCheque, error) {
	return many(ctx, b.pool, "cheques", scanCheque, selectCheque+`WHERE c.id < $1
		AND ($2 = '' OR c.payee = $2) AND ($3 = '' OR c.poster = $3) AND ($4 = '' OR c.state = $4)
		ORDER BY c.id DESC LIMIT $5`, p.before(), f.Payee.String(), f.From.String(), string(f.State),
		p.limit())
}

// A payable names what somebody is owed under a funder's mandate: what a cheque is for.
type payable struct {
	poster  marketplace.Address
	mandate marketplace.Hash
	payee   marketplace.Address
}

func (p payable) account() string { return accountPayable(p.poster, p.mandate, p.payee) }

// draft writes, for each payable, an owed cheque for all that was ever credited to it. An older
// draft that is not signed yet is replaced.
func (a *act) draft(due []payable) error {
	slices.SortFunc(due, func(x, y payable) int { return strings.Compare(x.account(), y.account()) })
	due = slices.Compact(due)
	n := len(due)
	if n == 0 {
		return nil
	}
	posters, mandates := make([]string, n), make([]string, n)
	payees, accounts := make([]string, n), make([]string, n)
	for i, p := range due {
		posters[i], mandates[i] = p.poster.String(), p.mandate.String()
		payees[i], accounts[i] = p.payee.String(), p.account()
	}
	const owed = `unnest($1::text[], $2::text[], $3::text[], $4::text[])
		AS d (poster, mandate, payee, account) JOIN accounts a ON a.key = d.account`
	if _, err := a.exec(`UPDATE cheques c SET state = 'replaced' FROM `+owed+`
		WHERE (c.poster, c.mandate, c.payee) = (d.poster, d.mandate, d.payee) AND c.state = 'owed'
			AND c.cumulative < a.credits`, posters, mandates, payees, accounts); err != nil {
		return fmt.Errorf("replace drafts: %w", err)
	}
	if _, err := a.exec(`INSERT INTO cheques (poster, mandate, payee, cumulative, state, drafted_at)
		SELECT d.poster, d.mandate, d.payee, a.credits, 'owed', $5 FROM `+owed+`
		WHERE a.credits > 0 ORDER BY a.key ON CONFLICT DO NOTHING`, posters, mandates, payees, accounts,
		a.now); err != nil {
		return fmt.Errorf("draft cheques: %w", err)
	}
	return nil
}

// Drafts returns the owed cheques that a signer has not signed, each with what it is for.
func (b *Book) Drafts(
	ctx context.Context, signer marketplace.Address,
) ([]marketplace.Draft, error) {
	cheques, err := many(ctx, b.pool, "drafts", scanCheque, selectCheque+`
		JOIN mandates m ON m.poster = c.poster AND m.id = c.mandate
		WHERE c.state = 'owed' AND $1 = ANY(m.signers) AND NOT EXISTS (
			SELECT FROM signatures s WHERE s.cheque = c.id AND s.signer = $1)
		ORDER BY c.id LIMIT $2`, signer, pageDefault)
	if err != nil {
		return nil, err
	}
	drafts := make([]marketplace.Draft, len(cheques))
	for i, c := range cheques {
		if drafts[i], err = b.explain(ctx, c); err != nil {
			return nil, err
		}
	}
	return drafts, nil
}

// explain adds to a cheque the leases and proofs that it follows from. The fee payee's cheques
// follow from all leases under the mandate, an auditor's from those that it was paid for.
func (b *Book) explain(
	ctx context.Context, c marketplace.SignedCheque,
) (d marketplace.Draft, err error) {
	d.SignedCheque = c
	q := c.Cheque
	d.Leases, err = many(ctx, b.pool, "leases", scanLease, selectLease+`WHERE bounty IN (
			SELECT bounty FROM pledges WHERE poster = $1 AND mandate = $2
				AND state IN ('posted', 'settled'))
		AND (payee = $3 OR $3 = $4 OR EXISTS (SELECT FROM proofs p WHERE p.lease = leases.id
			AND p.paid @> jsonb_build_array(jsonb_build_object('payee', $3::text)))) ORDER BY id`, q.From, q.Mandate, q.To,
		b.opts.FeePayee)
	if err != nil {
		return d, err
	}
	ids := make([]int64, len(d.Leases))
	for i, l := range d.Leases {
		ids[i] = l.ID
	}
	d.Proofs, err = many(ctx, b.pool, "proofs", scanProof, selectProof+`
		WHERE lease = ANY($1) ORDER BY epoch, lease`, ids)
	if err != nil {
		return d, err
	}
	d.Before, err = one(ctx, b.pool, "cheque", pgx.RowTo[marketplace.Amount],
		`SELECT coalesce(max(cumulative), 0) FROM cheques WHERE poster = $1 AND mandate = $2
		AND payee = $3 AND state NOT IN ('owed', 'replaced')`, q.From, q.Mandate, q.To)
	return d, err
}

// SignCheque adds a signer's signature, which the caller has checked. With enough of them the
// cheque is signed, and older ones that nobody redeems are replaced. Signing twice is signing once.
func (b *Book) SignCheque(ctx context.Context, id int64, signer marketplace.Address,
	sig marketplace.Signature, now time.Time) (out marketplace.SignedCheque, err error) {
	err = b.act(ctx, now, func(a *act) error {
		if _, err := a.exec(`SELECT FROM cheques WHERE id = $1 FOR UPDATE`, id); err != nil {
			return fmt.Errorf("lock cheque: %w", err)
		}
		if out, err = cheque(ctx, a.Tx, id); err != nil {
			return err
		}
		if i := slices.Index(out.Signers, signer); i >= 0 && out.Signatures[i] == sig {
			return nil // said before
		}
		if out.State != marketplace.ChequeOwed {
			return marketplace.Conflict.Errorf("cheque %d is %s; it takes no more signatures", id,
				out.State)
		}
		m, err := a.mandate(out.Cheque.From, out.Cheque.Mandate)
		if err != nil {
			return err
		}
		if !slices.Contains(m.Signers, signer) {
			return marketplace.Forbidden.Errorf("you are not a signer of mandate %s", m.ID)
		}
		if _, err := a.exec(`INSERT INTO signatures (cheque, signer, signature) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, id, signer, sig); err != nil {
			return fmt.Errorf("write signature: %w", err)
		}
		if out, err = cheque(ctx, a.Tx, id); err != nil || len(out.Signatures) < m.Threshold {
			return err
		}
		return a.signed(&out)
	})
	return out, err
}

func (a *act) signed(c *marketplace.SignedCheque) error {
	q := c.Cheque
	if err := a.move(fmt.Sprint("cheque ", c.ID), `UPDATE cheques SET state = 'signed',
		signed_at = $2 WHERE id = $1 AND state = 'owed'`, c.ID, a.now); err != nil {
		return err
	}
	if _, err := a.exec(`UPDATE cheques SET state = 'replaced' WHERE poster = $1 AND mandate = $2
		AND payee = $3 AND state IN ('signed', 'reverted') AND cumulative < $4`, q.From, q.Mandate,
		q.To, q.Cumulative); err != nil {
		return fmt.Errorf("replace older cheques: %w", err)
	}
	c.State = marketplace.ChequeSigned
	a.happened("cheque.signed", c.ID, c, q.To, q.From)
	return nil
}
