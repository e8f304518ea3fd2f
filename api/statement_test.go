package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

func TestAStatementHasEveryLineWithTheBalanceAfterIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	r.fund(l.Poster, marketplace.BTT(70))
	lines, err := r.visitor().Statement(t.Context(), l.Poster, client.StatementFilter{})
	must(t, err)
	account, err := r.visitor().Account(t.Context(), l.Poster)
	must(t, err)
	all := account.Free.Add(account.Reserved)
	before := all.Sub(marketplace.BTT(70))
	if len(lines) != 4 {
		t.Fatalf("%d lines: %+v", len(lines), lines)
	}
	// Newest first: a deposit; what was reserved came to the bounty from the free money; the first
	// deposit.
	for i, want := range []struct {
		code             string
		in, out, balance marketplace.Amount
	}{
		{"deposit", marketplace.BTT(70), marketplace.Amount{}, account.Free},
		{"reserve", account.Reserved, marketplace.Amount{}, account.Reserved},
		{"reserve", marketplace.Amount{}, account.Reserved, before.Sub(account.Reserved)},
		{"deposit", before, marketplace.Amount{}, before},
	} {
		got := lines[i]
		if got.Code != want.code || got.In != want.in || got.Out != want.out ||
			got.Balance != want.balance {
			t.Errorf("line %d is %+v, want %+v", i, got, want)
		}
	}
	if lines[1].Bounty != l.Bounty || lines[1].Other != lines[2].Account {
		t.Errorf("%+v", lines[1])
	}
	var whole bytes.Buffer
	must(t, r.visitor().StatementCSV(t.Context(), l.Poster, client.StatementFilter{}, &whole))
	rows, err := csv.NewReader(&whole).ReadAll()
	must(t, err)
	if len(rows) != 5 || !slices.Equal(rows[0], csvHeader) || !slices.Equal(rows[4], csvRow(lines[3])) {
		t.Errorf("%q", rows)
	}
}

func TestAStatementIsNarrowedByAccountCodeAndTimeAndPaged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, _ := r.proving()
	count := func(f client.StatementFilter) int {
		t.Helper()
		lines, err := r.visitor().Statement(t.Context(), l.Poster, f)
		must(t, err)
		return len(lines)
	}
	day := marketplace.Day
	for i, c := range []struct {
		f    client.StatementFilter
		want int
	}{
		{client.StatementFilter{}, 3},
		{client.StatementFilter{Account: "free"}, 2},
		{client.StatementFilter{Account: "payable"}, 0},
		{client.StatementFilter{Code: "reserve"}, 2},
		{client.StatementFilter{Since: time.Now().Add(day)}, 0},
		{client.StatementFilter{Until: time.Now().Add(day)}, 3},
		{client.StatementFilter{Until: time.Now().Add(-day)}, 0},
	} {
		if got := count(c.f); got != c.want {
			t.Errorf("case %d: %d lines, want %d", i, got, c.want)
		}
	}
	path := r.web.URL + "/v1/accounts/" + l.Poster.String() + "/statement"
	var first, second page[marketplace.StatementLine]
	_, body := ask(t, "GET", path+"?account=free&limit=1", "")
	must(t, json.Unmarshal([]byte(body), &first))
	_, body = ask(t, "GET", path+"?account=free&limit=1&after="+first.Next, "")
	must(t, json.Unmarshal([]byte(body), &second))
	if first.Items[0].Code != "reserve" || second.Items[0].Code != "deposit" {
		t.Errorf("%+v, then %+v", first, second)
	}
	resp, body := ask(t, "GET", path+".csv?account=purse", "")
	wantProblem(t, resp, body, http.StatusUnprocessableEntity, marketplace.Invalid)
}

func TestNoCellOfASpreadsheetIsAFormula(t *testing.T) {
	t.Parallel()
	row := csvRow(marketplace.StatementLine{Code: "=1+1", Account: "@SUM(A1)", Other: "-2"})
	for _, cell := range row {
		if cell != harmless(cell) {
			t.Errorf("%q would be reckoned with", cell)
		}
	}
}
