package api

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

// A StatementOf says whose lines of the ledger are asked for, and which.
type StatementOf struct {
	ByAddress
	Account string    `query:"account" enum:"free,reserved,payable,holdback" doc:"Only accounts of this kind"`
	Code    string    `query:"code" maxLength:"40" pattern:"^[a-z_]+$" doc:"Only lines with this code, like deposit or accrue"`
	Since   time.Time `query:"since" doc:"Only lines from this moment on"`
	Until   time.Time `query:"until" doc:"Only lines before this moment"`
}

func (o StatementOf) filter() orderbook.StatementFilter {
	return orderbook.StatementFilter{Account: o.Account, Code: o.Code, Since: o.Since, Until: o.Until}
}

type statementIn struct {
	StatementOf
	Paging
}

func (s *Server) statement(
	ctx context.Context, in *statementIn,
) (page[marketplace.StatementLine], error) {
	return numbered(ctx, in.Paging, func(
		ctx context.Context, p orderbook.Page,
	) ([]marketplace.StatementLine, error) {
		return s.Book.Statement(ctx, in.Address, in.filter(), p)
	}, func(l marketplace.StatementLine) int64 { return l.Line })
}

const csvType = "text/csv"

func spreadsheet(op *huma.Operation) {
	answersWith(op, csvType, "")
	op.Description = "RFC 4180, newest first, with a header that keeps its names and their order: " +
		strings.Join(csvHeader, ", ") + ". Amounts are exact decimal numbers of BTT; a spreadsheet " +
		"may round what it shows. An answer that breaks off is not whole."
}

// csvHeader is a promise to those who read the file by program: names are only ever added at the end.
var csvHeader = []string{"line", "at", "code", "account", "in", "out", "balance", "other", "bounty",
	"lease", "id"}

func csvRow(l marketplace.StatementLine) []string {
	row := []string{strconv.FormatInt(l.Line, 10), l.At.UTC().Format(time.RFC3339Nano), l.Code,
		l.Account, l.In.String(), l.Out.String(), l.Balance.String(), l.Other, orBlank(l.Bounty),
		orBlank(l.Lease), l.ID}
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return row
}

func orBlank(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// harmless keeps a spreadsheet from reckoning with a text: nothing of ours begins like a formula,
// and nothing ever shall.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// csvPage is how many lines are read and sent at a time.
const csvPage = 1000

// statementCSV sends a statement page by page, in bounded memory. Its first page is read before the
// answer begins, so that what is wrong can still be said; later the connection is broken off, since
// an end would look like the end of the statement.
func (s *Server) statementCSV(
	ctx context.Context, in *StatementOf,
) (func(huma.Context), error) {
	at := orderbook.Page{Limit: csvPage}
	lines, err := s.Book.Statement(ctx, in.Address, in.filter(), at)
	if err != nil {
		return nil, err
	}
	return func(c huma.Context) {
		c.SetHeader("Content-Type", csvType+"; charset=utf-8; header=present")
		c.SetHeader("Content-Disposition", `attachment; filename="everseed-`+in.Address.String()+`.csv"`)
		c.SetStatus(http.StatusOK)
		w := csv.NewWriter(c.BodyWriter())
		w.UseCRLF = true
		err := w.Write(csvHeader)
		for err == nil && len(lines) > 0 {
			if err = s.sendLines(c, w, lines); err != nil || len(lines) < csvPage {
				break
			}
			at.After = lines[len(lines)-1].Line
			lines, err = s.Book.Statement(ctx, in.Address, in.filter(), at)
		}
		if w.Flush(); err == nil {
			err = w.Error()
		}
		if err != nil {
			visitOf(ctx).log.DebugContext(ctx, "statement broken off", "err", err)
			panic(http.ErrAbortHandler)
		}
	}, nil
}

// sendLines sends one page; a reader that is too slow for it is cut.
func (s *Server) sendLines(c huma.Context, w *csv.Writer, lines []marketplace.StatementLine) error {
	_, to := humachi.Unwrap(c)
	if err := http.NewResponseController(to).SetWriteDeadline(
		time.Now().Add(s.writeMax)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	for _, l := range lines {
		if err := w.Write(csvRow(l)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
