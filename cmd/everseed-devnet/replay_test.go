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

// answerHash is the hash of an answer in a report.
var answerHash = regexp.MustCompile(`("outcome":"pass","took_ms":\d+,"hash":")[0-9a-f]{8}`)

// startLiar puts a market in front of the market, which says that other bytes came than did, and sets
// $LIAR to its address.
func (s *story) startLiar(ts *testscript.TestScript, _ []string) error {
	target, err := url.Parse(s.web)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(resp *http.Response) error {
			if !strings.HasPrefix(resp.Request.URL.Path, "/v1/reports") {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			body = answerHash.ReplaceAll(body, []byte("${1}00bad000"))
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
