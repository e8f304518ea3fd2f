package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/everseed/everseed/marketplace"
)

// A StatementFilter narrows a statement; zero fields narrow nothing.
type StatementFilter struct {
	Account string    // free, reserved, payable or holdback
	Code    string    // like deposit or accrue
	Since   time.Time // from this moment on
	Until   time.Time // before this moment
	Most    int       // at most so many lines, the newest; zero means 200
}

func (f StatementFilter) query() url.Values {
	return url.Values{"account": {f.Account}, "code": {f.Code}, "since": moment(f.Since),
		"until": moment(f.Until)}
}

func moment(t time.Time) []string {
	if t.IsZero() {
		return []string{""}
	}
	return []string{t.UTC().Format(time.RFC3339Nano)}
}

func statementPath(a marketplace.Address) string {
	return "/v1/accounts/" + a.String() + "/statement"
}

// Statement returns an address's lines of the ledger, newest first.
func (c *Client) Statement(
	ctx context.Context, a marketplace.Address, f StatementFilter,
) ([]marketplace.StatementLine, error) {
	return list[marketplace.StatementLine](ctx, c, statementPath(a), f.query(), f.Most)
}

// StatementCSV writes all lines that the filter leaves, newest first, as the market sends them:
// RFC 4180 with a header. With an error, what was written is not whole.
func (c *Client) StatementCSV(
	ctx context.Context, a marketplace.Address, f StatementFilter, w io.Writer,
) error {
	resp, err := c.roundTrip(ctx, call{method: http.MethodGet, path: statementPath(a) + ".csv",
		query: nonEmpty(f.query())})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, answerMax))
		if err != nil {
			return fmt.Errorf("read the market's refusal: %w", err)
		}
		return refusal(resp, body)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the statement, which is not whole: %w", err)
	}
	return nil
}
