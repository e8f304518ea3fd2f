package orderbook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

const selectEpoch = `SELECT e.epoch, e.block, e.hash, e.commit, e.secret, e.auditors, e.seats,
	e.named_at, e.leases, e.opened_at, coalesce(e.closed_at, e.judged_at), p.promised_at,
	n.epoch, n.commit, n.promised_at, e.canary_seal, e.canary_salt, e.canaries
	FROM audit_epochs e LEFT JOIN promises p ON p.epoch = e.epoch AND p.commit = e.commit
		LEFT JOIN promises n ON n.epoch = e.epoch + 1 `

func scanEpoch(row pgx.CollectableRow) (e marketplace.AuditEpoch, err error) {
	var auditors []string
	var seats, leases, canaries []byte
	var next struct {
		epoch  *int64
		commit *marketplace.Hash
		at     time.Time
	}
	if err := row.Scan(&e.Epoch, &e.Block, &e.Hash, &e.Commit, &e.Secret, &auditors, &seats,
		at{&e.NamedAt}, &leases, at{&e.OpenedAt}, at{&e.ClosedAt}, at{&e.PromisedAt}, &next.epoch,
		&next.commit, at{&next.at}, &e.CanarySeal, &e.CanarySalt, &canaries); err != nil {
		return e, err
	}
	if next.epoch != nil {
		e.Next = &marketplace.Promise{Epoch: *next.epoch, Commit: *next.commit, PromisedAt: next.at}
	}
	if canaries != nil {
		err = json.Unmarshal(canaries, &e.Canaries)
	}
	if seats != nil {
		err = errors.Join(err, json.Unmarshal(seats, &e.Auditors))
	} else { // opened by the release before
		var who []marketplace.Address
		err = errors.Join(err, list{&who}.texts(auditors))
		e.Auditors = marketplace.SignersPanel(who)
	}
	return e, errors.Join(err, json.Unmarshal(leases, &e.Leases))
}

// OpenEpoch writes down an epoch's beacon and freezes which leases are audited in it. The commit must
// be the one that was promised before the epoch began. Opening it again changes nothing: what an
// epoch asks for is decided once.
func (b *Book) OpenEpoch(ctx context.Context, e marketplace.AuditEpoch, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		promised, err := promise(ctx, a.Tx, e.Epoch)
		if err != nil {
			return err
		}
		if !a.rules.InTime(promised) || promised.Commit != e.Commit {
			return marketplace.Conflict.Errorf("epoch %d cannot be opened with commit %s: promised was %s"+
				" at %s", e.Epoch, e.Commit, promised.Commit, promised.PromisedAt)
		}
		leases, err := many(ctx, a.Tx, "leases", scanLease, selectLease+`
			WHERE state IN ('proving', 'active', 'grace') AND (ends_at IS NULL OR ends_at > $1)
			ORDER BY id`, a.rules.EpochStart(e.Epoch))
		if err != nil {
			return err
		}
		e.Leases = leases
		who, visits := make([]string, len(e.Auditors)), 0
		for i, seat := range e.Auditors {
			who[i] = seat.Auditor.String()
		}
		for _, drawn := range a.rules.Draw(e) {
			visits += len(drawn)
		}
		if c := b.opts.Canaries; c.On() {
			e.CanarySeal = marketplace.Seal(c.Table(e), c.Salt(e.Epoch))
		}
		n, err := a.exec(`INSERT INTO audit_epochs (epoch, block, hash, commit, secret, auditors, seats,
			named_at, visits, leases, opened_at, canary_seal)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`, e.Epoch,
			e.Block, e.Hash, e.Commit, e.Secret, who, mustJSON(e.Auditors), orNull(e.NamedAt), visits,
			mustJSON(leases), a.now, e.CanarySeal)
		if err != nil {
			return fmt.Errorf("open epoch %d: %w", e.Epoch, err)
		}
		if n == 1 {
			open := map[string]any{"epoch": e.Epoch, "block": e.Block, "leases": len(leases),
				"visits": visits, "canary_seal": e.CanarySeal}
			a.happened("epoch.open", e.Epoch, open)
		}
		return nil
	})
}

// AuditEpoch returns an epoch with its secret; who may see that is decided at the door.
func (b *Book) AuditEpoch(ctx context.Context, epoch int64) (marketplace.AuditEpoch, error) {
	return one(ctx, b.pool, fmt.Sprintf("epoch %d; it is opened by the first solid block in it", epoch),
		scanEpoch, selectEpoch+`WHERE e.epoch = $1`, epoch)
}

// LastEpoch returns the newest epoch that was opened, or 0.
func (b *Book) LastEpoch(ctx context.Context) (int64, error) {
	return one(ctx, b.pool, "epoch", pgx.RowTo[int64],
		`SELECT coalesce(max(epoch), 0) FROM audit_epochs`)
}

// draws remembers who looks at what in some epochs, which every request of an auditor asks for: to read
// an epoch of 20,000 leases and to draw takes a second.
type draws struct {
	mu  sync.Mutex // guards all
	all map[int64]map[int64][]marketplace.Address
}

// drawsMax is how many epochs are remembered: reports come for the running one and the last.
const drawsMax = 4

// of returns who is drawn in an epoch, which it reads if it has to. The newest epochs are kept, and the
// one that was asked for last: to look at old ones does not cost auditors theirs.
func (d *draws) of(r marketplace.Rules, epoch int64, read func() (marketplace.AuditEpoch, error)) (
	map[int64][]marketplace.Address, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if drawn := d.all[epoch]; drawn != nil {
		return drawn, nil
	}
	e, err := read()
	if err != nil {
		return nil, err
	}
	if d.all == nil {
		d.all = map[int64]map[int64][]marketplace.Address{}
	}
	drawn := r.Draw(e)
	if len(d.all) >= drawsMax {
		delete(d.all, slices.Min(slices.Collect(maps.Keys(d.all))))
	}
	d.all[epoch] = drawn
	return drawn, nil
}

// Drawn says who looks at what in an epoch. Ask before an act and not in one: who draws waits for a
// connection, while others wait for the draw.
func (b *Book) Drawn(ctx context.Context, epoch int64) (map[int64][]marketplace.Address, error) {
	return b.draws.of(b.opts.Rules, epoch, func() (marketplace.AuditEpoch, error) {
		return b.AuditEpoch(ctx, epoch)
	})
}

// A ReportFilter chooses reports; zero fields choose all.
type ReportFilter struct {
	Lease, Epoch int64
	Reader       marketplace.Address // reads its own reports before others do
}

func scanReport(row pgx.CollectableRow) (r marketplace.Report, err error) {
	var id int64
	var body []byte
	if err := row.Scan(&id, &body); err != nil {
		return r, err
	}
	err = json.Unmarshal(body, &r)
	r.ID = id
	return r, err
}

// Reports returns reports numbered below page.After, newest first. As long as an epoch takes
// reports, only their authors read them: nobody shall report what others found.
func (b *Book) Reports(
	ctx context.Context, f ReportFilter, p Page,
) ([]marketplace.Report, error) {
	return many(ctx, b.pool, "reports", scanReport, `SELECT id, body FROM reports r WHERE id < $1
		AND ($2::bigint = 0 OR lease = $2) AND ($3::bigint = 0 OR epoch = $3)
		AND (auditor = $4 OR EXISTS (SELECT FROM audit_epochs e
			WHERE e.epoch = r.epoch AND coalesce(closed_at, judged_at) IS NOT NULL))
		ORDER BY id DESC LIMIT $5`, p.before(), f.Lease, f.Epoch, f.Reader.String(), p.limit())
}

// KnownBefore returns reports of epochs before one that is closed, by an auditor on any replica of a
// torrent, that show that pieces answered whole, with a pass: the earliest for each piece.
func (b *Book) KnownBefore(ctx context.Context, auditor marketplace.Address, h marketplace.Infohash,
	epoch int64, pieces []int) ([]marketplace.Report, error) {
	return many(ctx, b.pool, "reports", scanReport, `SELECT id, body FROM reports WHERE id IN (
		SELECT DISTINCT ON (piece) r.id FROM leases l JOIN reports r ON r.lease = l.id
			JOIN audit_epochs e ON e.epoch = r.epoch,
			LATERAL (SELECT (a->>'piece')::int AS piece FROM jsonb_path_query(r.body,
				'$.answers[*] ? (@.block == -1 && @.outcome == "pass")') a) x
		WHERE l.infohash = $1 AND r.auditor = $2 AND r.epoch < $3 AND piece = ANY($4)
			AND coalesce(e.closed_at, e.judged_at) IS NOT NULL
		ORDER BY piece, r.epoch, r.id) ORDER BY id`, h, auditor, epoch, pieces)
}

// A ProofFilter chooses proofs; zero fields choose all.
type ProofFilter struct {
	Lease, Bounty int64
	Agent         marketplace.Address
}

func scanProof(row pgx.CollectableRow) (p marketplace.Proof, err error) {
	var paid []byte
	var accuser *marketplace.Address
	var hearing []byte
	if err := row.Scan(&p.Lease, &p.Bounty, &p.Agent, &p.Epoch, &p.Verdict, &p.Passes, &p.Reports,
		&p.Seconds, &p.Earned, &p.From, &paid, &p.Wire, at{&p.At}, &p.Clean, &accuser, &hearing); err != nil {
		return p, err
	}
	if accuser != nil {
		p.Accuser = *accuser
	}
	if hearing != nil {
		if err := json.Unmarshal(hearing, &p.Hearing); err != nil {
			return p, err
		}
	}
	if err := json.Unmarshal(paid, &p.Paid); err != nil || len(p.Paid) == 0 {
		p.Paid = nil
		return p, err
	}
	return p, nil
}

const selectProof = `SELECT lease, bounty, agent, epoch, verdict, passes, reports, seconds, earned,
	drawn_from, paid, wire, at, clean,
	(SELECT h.auditor FROM hearings h WHERE h.lease = proofs.lease AND h.epoch = proofs.epoch),
	(SELECT jsonb_build_object('epoch', h.epoch, 'auditor', h.auditor, 'outcome', h.outcome)
		FROM hearings h WHERE h.lease = proofs.lease AND h.heard = proofs.epoch) FROM proofs `

// ProofsOf returns an epoch's proofs of leases numbered below page.After, newest first.
func (b *Book) ProofsOf(ctx context.Context, epoch int64, p Page) ([]marketplace.Proof, error) {
	return many(ctx, b.pool, "proofs", scanProof, selectProof+`WHERE epoch = $1 AND lease < $2
		ORDER BY lease DESC LIMIT $3`, epoch, p.before(), p.limit())
}

// Proofs returns proofs of epochs before page.After, newest epoch first.
func (b *Book) Proofs(ctx context.Context, f ProofFilter, p Page) ([]marketplace.Proof, error) {
	return many(ctx, b.pool, "proofs", scanProof, selectProof+`WHERE epoch < $1
		AND ($2::bigint = 0 OR lease = $2) AND ($3::bigint = 0 OR bounty = $3) AND ($4 = '' OR agent = $4)
		ORDER BY epoch DESC, lease DESC LIMIT $5`, p.before(), f.Lease, f.Bounty, f.Agent.String(),
		p.limit())
}
