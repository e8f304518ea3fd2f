package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// awaitReplayable waits until an epoch of the story's first lease is paid for, in which every auditor
// that was drawn reported on every lease, and sets $EPOCH.
func (s *story) awaitReplayable(ts *testscript.TestScript, _ []string) error {
	return s.market.until(s.ctx, "an epoch is paid for", func() bool {
		proofs, err := s.client.Proofs(s.ctx, client.ProofFilter{Lease: 1})
		if err != nil {
			return false
		}
		for _, p := range proofs {
			log, err := s.client.EpochLog(s.ctx, p.Epoch, 0)
			if p.Verdict != marketplace.VerdictPass || p.Seconds == 0 || err != nil || log.Shown == nil ||
				len(log.Reports) < auditors*len(log.Epoch.Leases) ||
				len(log.Proofs) < len(log.Epoch.Leases) {
				continue
			}
			ts.Setenv("EPOCH", fmt.Sprint(p.Epoch))
			return true
		}
		return false
	})
}

// lies are what a market may tell in place of what is: where, and what it changes there.
var lies = map[string]struct {
	path string
	is   *regexp.Regexp
	told string
}{
	"answers": {"/v1/reports", regexp.MustCompile(`("outcome":"pass","took_ms":\d+,"hash":")[0-9a-f]{8}`),
		"${1}00bad000"},
	"pay":     {"/v1/proofs", regexp.MustCompile(`"seconds":([1-9])`), `"seconds":9$1`},
	"roots":   {"/v1/proofs", regexp.MustCompile(`"clean":1`), `"clean":0`},
	"cheques": {"/v1/cheques", regexp.MustCompile(`"cumulative":"`), `"cumulative":"9`},
}

// startLiar KIND puts a market in front of the market, which lies about one thing, and sets $LIAR to its
// address.
func (s *story) startLiar(ts *testscript.TestScript, args []string) error {
	lie, known := lies[args[0]]
	target, err := url.Parse(s.web)
	if err != nil || !known {
		return fmt.Errorf("no lie %q (%v)", args[0], err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(resp *http.Response) error {
			if !strings.HasPrefix(resp.Request.URL.Path, lie.path) {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			body = lie.is.ReplaceAll(body, []byte(lie.told))
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.ContentLength = int64(len(body))
			resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return nil
		},
	}
	liar := httptest.NewServer(proxy)
	ts.Defer(liar.Close)
	ts.Setenv("LIAR", liar.URL)
	return nil
}
