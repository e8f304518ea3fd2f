package orderbook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/everseed/everseed/marketplace"
)

// Options are what the book must know of its market.
type Options struct {
	Rules    marketplace.Rules
	FeePayee marketplace.Address // who gets the market's fee
	Canaries marketplace.Canaries
}

// A Book is a pool of connections to the market's database. It is safe for concurrent use.
type Book struct {
	pool  *pgxpool.Pool
	opts  Options
	draws draws
}

// Open connects to a migrated database.
func Open(ctx context.Context, url string, o Options) (*Book, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, marketplace.Invalid.Errorf("database address: %v", err)
	}
	b := &Book{pool: pool, opts: o}
	if err := b.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return b, nil
}

// Close waits for connections in use and closes all.
func (b *Book) Close() { b.pool.Close() }

// Rules returns the market's constants.
func (b *Book) Rules() marketplace.Rules { return b.opts.Rules }

// Ping says whether the database answers.
func (b *Book) Ping(ctx context.Context) error {
	if err := b.pool.Ping(ctx); err != nil {
		return marketplace.Unavailable.Errorf("the database does not answer: %v", err)
	}
	return nil
}

// tries bounds how often a transaction that lost a race is run again.
const tries = 10

// Codes of Postgres that the book acts on.
const (
	uniqueViolation = "23505"
	checkViolation  = "23514"
	fkViolation     = "23503"
)

// act runs f in a transaction and commits what it booked. A transaction that lost a race against
// another one is run again from the start.
func (b *Book) act(ctx context.Context, now time.Time, f func(*act) error) error {
	for try := 1; ; try++ {
		err := b.once(ctx, now, f)
		if err == nil || !lostRace(err) || try == tries {
			return answered(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.IntN(5*try)) * time.Millisecond): // #nosec G404
		}
	}
}

func lostRace(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.ConstraintName {
	case "transfers_id_key", "accounts_pkey": // booked, or opened, at the same moment
		return true
	default:
		return pg.Code == "40001" || pg.Code == "40P01" // serialization failure, deadlock
	}
}

// answered returns err, and says Unavailable when it comes of a database that was lost or is only
// starting: the same request may be sent again, and it is no fault of ours.
func answered(err error) error {
	var ours *marketplace.Error
	var pg *pgconn.PgError
	var dial *pgconn.ConnectError
	var network net.Error
	lost := false
	switch {
	case err == nil, errors.As(err, &ours), errors.Is(err, context.Canceled):
	case errors.As(err, &pg):
		class := pg.Code[:2]
		lost = class == "08" || class == "57" // connection; shut down, crashed, starting
	default:
		lost = errors.As(err, &dial) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
			errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
			pgconn.SafeToRetry(err)
	}
	if !lost {
		return err
	}
	return fmt.Errorf("%w: %w", marketplace.Unavailable.Errorf(
		"the database does not answer; send it again in a moment"), err)
}

func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// exec runs one statement that needs no act, and returns how many rows it changed.
func (b *Book) exec(ctx context.Context, doing, sql string, args ...any) (int64, error) {
	tag, err := b.pool.Exec(ctx, sql, args...)
	if err != nil {
		err = answered(fmt.Errorf("%s: %w", doing, err))
	}
	return tag.RowsAffected(), err
}

func (b *Book) once(ctx context.Context, now time.Time, f func(*act) error) error {
	tx, err := b.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After a commit this does nothing. The error, or the panic, that ended the work is the one to
	// tell; a connection that is not given back would hold up Close.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	a := &act{Tx: tx, ctx: ctx, book: b, rules: b.opts.Rules, now: now.UTC()}
	if err := f(a); err != nil {
		return err
	}
	if err := a.post(); err != nil {
		return err
	}
	if err := a.tell(); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// An act is one transaction under way: what it will book and tell when it commits.
type act struct {
	pgx.Tx
	ctx       context.Context
	book      *Book
	rules     marketplace.Rules
	now       time.Time
	transfers []transfer
	events    []marketplace.Event
}

// exec runs a statement and returns how many rows it changed.
func (a *act) exec(sql string, args ...any) (int64, error) {
	tag, err := a.Exec(a.ctx, sql, args...)
	return tag.RowsAffected(), err
}

// move runs a guarded statement that must change exactly one row.
func (a *act) move(what string, sql string, args ...any) error {
	n, err := a.exec(sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n != 1 {
		return marketplace.Conflict.Errorf("%s: somebody else changed it first", what)
	}
	return nil
}

// one reads one row with scan, or says what is not there.
func one[T any](
	ctx context.Context, q querier, what string, scan pgx.RowToFunc[T], sql string, args ...any,
) (T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, answered(fmt.Errorf("read %s: %w", what, err))
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, marketplace.NotFound.Errorf("there is no %s", what)
	}
	if err != nil {
		return v, answered(fmt.Errorf("read %s: %w", what, err))
	}
	return v, nil
}

// many reads all rows with scan. It never returns nil without an error.
func many[T any](
	ctx context.Context, q querier, what string, scan pgx.RowToFunc[T], sql string, args ...any,
) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, answered(fmt.Errorf("read %s: %w", what, err))
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, answered(fmt.Errorf("read %s: %w", what, err))
	}
	return all, nil
}

// A querier is the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// A Page asks for rows with an id below After (0: from the newest), newest first.
type Page struct {
	After int64
	Limit int
}

const (
	pageMax     = 1000
	pageDefault = 100
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return pageDefault
	}
	return min(p.Limit, pageMax)
}

// before is the id that a page's rows lie below.
func (p Page) before() int64 {
	if p.After <= 0 {
		return 1<<63 - 1
	}
	return p.After
}
