package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/everseed/everseed/marketplace"
)

// a door is a server without a book, for what is settled before the book is asked.
func door(t *testing.T, c Config) *httptest.Server {
	t.Helper()
	c.Info.Rules = marketplace.DefaultRules()
	c.Quote = func(
		context.Context, marketplace.Address, marketplace.BountyTerms,
	) (marketplace.Quote, error) {
		return marketplace.Quote{Eligible: 7}, nil
	}
	server := httptest.NewServer(New(c).Handler())
	t.Cleanup(server.Close)
	return server
}

// ask sends a request and returns the answer, its body read.
func ask(
	t *testing.T, method, url, body string, headers ...string,
) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// wantProblem checks that an answer is a problem of a kind, and returns it.
func wantProblem(
	t *testing.T, resp *http.Response, body string, status int, kind marketplace.Kind,
) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%s, not a problem: %.300s", resp.Status, body)
	}
	if resp.StatusCode != status || p.Status != status || p.Type != problemBase+string(kind) ||
		resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %s %s %s, want %d %s", resp.Status, resp.Header.Get("Content-Type"), body,
			status, kind)
	}
	if p.Title == "" || p.Detail == "" || p.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("title, detail or request id is missing: %s", body)
	}
	return p
}

func TestEveryWrongFieldIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	resp, body := ask(t, "POST", server.URL+"/v1/quote", `{"instrument": "futures",
		"infohash": "zz", "replicas": 0, "price_max": "secret-1", "keep_for": "1s", "mandat": 1,
		"regions": ["atlantis"], "rate_min": -1}`)
	p := wantProblem(t, resp, body, 422, marketplace.Invalid)
	got := []string{}
	for _, e := range p.Errors {
		got = append(got, e.Location)
	}
	slices.Sort(got)
	want := []string{"body.infohash", "body.instrument", "body.keep_for", "body.mandat",
		"body.mandate", "body.price_max", "body.rate_min", "body.regions", "body.replicas"}
	if !slices.Equal(got, want) {
		t.Errorf("blamed %q, want %q\n%s", got, want, body)
	}
	if strings.Contains(body, "secret-1") {
		t.Errorf("the answer repeats an input value: %s", body)
	}
}

func TestAValueThatCannotBeReadHidesNoOther(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	terms := strings.Replace(goodTerms(0), "0.5", strings.Repeat("9", 60), 1)
	resp, body := ask(t, "POST", server.URL+"/v1/quote", terms)
	p := wantProblem(t, resp, body, 422, marketplace.Invalid)
	got := []string{}
	for _, e := range p.Errors {
		got = append(got, e.Location)
	}
	slices.Sort(got)
	if want := []string{"body.price_max", "body.replicas"}; !slices.Equal(got, want) {
		t.Errorf("blamed %q, want %q\n%s", got, want, body)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	if _, body := ask(t, "GET", door(t, Config{}).URL+"/v1/rules", ""); !strings.Contains(body,
		`"auditors":[]`) {
		t.Errorf("%s", body)
	}
	call := &marketplace.Call{}
	got, err := noNull(nil, "", marketplace.Market{LastCall: call})
	must(t, err)
	m, ok := got.(marketplace.Market)
	if !ok || m.Clearings == nil || m.LastCall.Fills == nil {
		t.Errorf("%+v", got)
	}
	got, err = noNull(nil, "", page[marketplace.Call]{Items: []marketplace.Call{{}}})
	must(t, err)
	if p, ok := got.(page[marketplace.Call]); !ok || p.Items[0].Fills == nil {
		t.Errorf("%+v", got)
	}
}

func TestAMistypedAddressIsSaidInWords(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	resp, body := ask(t, "POST", server.URL+"/v1/session/challenge",
		`{"address": "TLsV52sRDL79HXGGm9yzwKibb6BeruhUzz"}`)
	p := wantProblem(t, resp, body, 422, marketplace.Invalid)
	if !strings.Contains(p.Detail, "checksum") {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestGoodTermsPass(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	resp, body := ask(t, "POST", server.URL+"/v1/quote", goodTerms(1))
	if resp.StatusCode != 200 || !strings.Contains(body, `"eligible":7`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

func goodTerms(replicas int) string {
	return fmt.Sprintf(`{"instrument": "keepalive", "replicas": %d, "price_max": "0.5",
		"infohash": "c12fe1c06bba254a9dc9f519b335aa7c1367a88a", "keep_for": "1d",
		"mandate": "%064d"}`, replicas, 1)
}

func TestWhatIsNoRouteIsAProblem(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		kind                     marketplace.Kind
		headers                  []string
	}{
		{"no path", "GET", "/v1/nothing", "", 404, marketplace.NotFound, nil},
		{"no page", "GET", "/nothing", "", 404, marketplace.NotFound, nil},
		{"wrong method", "DELETE", "/v1/rules", "", 405, badMethod, nil},
		{"options", "OPTIONS", "/v1/offer", "", 405, badMethod, nil},
		{"unknown parameter", "GET", "/v1/rules?x=1", "", 422, marketplace.Invalid, nil},
		{"wrong id", "GET", "/v1/bounties/none", "", 422, marketplace.Invalid, nil},
		{"id zero", "GET", "/v1/bounties/0", "", 422, marketplace.Invalid, nil},
		{"limit", "GET", "/v1/calls?limit=201", "", 422, marketplace.Invalid, nil},
		{"cursor", "GET", "/v1/calls?after=x", "", 422, marketplace.Invalid, nil},
		{"state", "GET", "/v1/bounties?state=dead", "", 422, marketplace.Invalid, nil},
		{"stream parameter", "GET", "/v1/stream?x=1", "", 422, marketplace.Invalid, nil},
		{"no body", "POST", "/v1/quote", "", 422, marketplace.Invalid, nil},
		{"no JSON", "POST", "/v1/quote", "{", 422, marketplace.Invalid, nil},
		{"no object", "POST", "/v1/quote", "[1]", 422, marketplace.Invalid, nil},
		{"text", "POST", "/v1/quote", goodTerms(1), 415, unsupported,
			[]string{"Content-Type", "text/plain"}},
		{"large", "POST", "/v1/quote", strings.Repeat(" ", 1<<20) + goodTerms(1), 413, tooLarge, nil},
		{"visitor", "POST", "/v1/bounties", goodTerms(1), 401, marketplace.Unauthorized,
			[]string{"Idempotency-Key", "a"}},
		{"no token", "GET", "/v1/rules", "", 401, marketplace.Unauthorized,
			[]string{"Authorization", "Basic YTpi"}},
		{"another site", "POST", "/v1/quote", goodTerms(1), 403, marketplace.Forbidden,
			[]string{"Sec-Fetch-Site", "cross-site"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, body := ask(t, c.method, server.URL+c.path, c.body, c.headers...)
			wantProblem(t, resp, body, c.status, c.kind)
			if c.status == 405 && resp.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestThePageIsBelowTheAPI(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "the page")
	})
	server := door(t, Config{Web: page})
	for path, want := range map[string]string{"/": "the page", "/bounties/12": "the page",
		"/v1/nothing": "there is no path", "/healthz": "alive", "/docs": "Post a bounty",
		"/docs/style.css": "font", "/openapi.yaml": "openapi: 3.1.0"} {
		resp, body := ask(t, "GET", server.URL+path, "")
		if !strings.Contains(body, want) {
			t.Errorf("GET %s: %s %.200s, want %q", path, resp.Status, body, want)
		}
		if resp.Header.Get("Content-Security-Policy") == "" ||
			resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s lacks security headers: %v", path, resp.Header)
		}
	}
	resp, _ := ask(t, "HEAD", server.URL+"/v1/rules", "")
	if resp.StatusCode != 200 {
		t.Errorf("HEAD: %s", resp.Status)
	}
}

func TestTheDocsLeadSomewhere(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	_, body := ask(t, "GET", server.URL+"/docs", "")
	links := 0
	for _, part := range strings.Split(body, `href="#`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if links++; !strings.Contains(body, `id="`+name+`"`) {
			t.Errorf("a link to %q leads nowhere", name)
		}
	}
	if links < 50 || strings.Contains(body, "<script") || strings.Contains(body, "style=") {
		t.Errorf("%d links, or something that the policy forbids", links)
	}
	for _, op := range operations(New(Config{}).spec) {
		if !strings.Contains(body, `id="`+op.OperationID+`"`) {
			t.Errorf("%s is not there", op.OperationID)
		}
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	t.Parallel()
	server := door(t, Config{})
	ask(t, "GET", server.URL+"/v1/bounties/none", "")
	ask(t, "BREW", server.URL+"/v1/coffee/17", "")
	_, body := ask(t, "GET", server.URL+"/metrics", "")
	for _, want := range []string{
		`market_http_requests_total{method="GET",route="/v1/bounties/{id}",status="422"} 1`,
		`method="other",route="other"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "17") && strings.Contains(body, "coffee") {
		t.Error("a path became a label")
	}
}

func TestAPanicIsAProblemAndStaysInside(t *testing.T) {
	t.Parallel()
	s := New(Config{Quote: func(
		context.Context, marketplace.Address, marketplace.BountyTerms,
	) (marketplace.Quote, error) {
		panic("inner secret")
	}, Info: marketplace.MarketInfo{Rules: marketplace.DefaultRules()}})
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	resp, body := ask(t, "POST", server.URL+"/v1/quote", goodTerms(1))
	wantProblem(t, resp, body, 500, internal)
	if strings.Contains(body, "secret") {
		t.Errorf("the answer says too much: %s", body)
	}
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	t.Parallel()
	server := door(t, Config{Limits: Limits{Reads: Rate{0.01, 3}, Writes: Rate{0.01, 2}}})
	for i := range 3 {
		resp, body := ask(t, "GET", server.URL+"/v1/rules", "")
		if resp.StatusCode != 200 || resp.Header.Get("RateLimit") == "" {
			t.Fatalf("read %d: %s %v %s", i, resp.Status, resp.Header, body)
		}
	}
	resp, body := ask(t, "GET", server.URL+"/v1/rules", "")
	wantProblem(t, resp, body, 429, marketplace.TooMany)
	if resp.Header.Get("Retry-After") == "" || resp.Header.Get("RateLimit-Policy") == "" {
		t.Errorf("headers %v", resp.Header)
	}
	for range 2 {
		if resp, body := ask(t, "POST", server.URL+"/v1/quote", goodTerms(1)); resp.StatusCode != 200 {
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	resp, body = ask(t, "POST", server.URL+"/v1/quote", goodTerms(1))
	wantProblem(t, resp, body, 429, marketplace.TooMany)
	if resp, _ := ask(t, "GET", server.URL+"/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("health checks are limited: %s", resp.Status)
	}
}

func TestGuessingTokensIsLimitedLikeWriting(t *testing.T) {
	t.Parallel()
	server := door(t, Config{Limits: Limits{Writes: Rate{0.01, 2}}})
	for range 2 {
		resp, body := ask(t, "GET", server.URL+"/v1/rules", "", "Authorization", "Bearer nonsense")
		wantProblem(t, resp, body, 401, marketplace.Unauthorized)
	}
	resp, body := ask(t, "GET", server.URL+"/v1/rules", "", "Authorization", "Bearer nonsense")
	wantProblem(t, resp, body, 429, marketplace.TooMany)
}
