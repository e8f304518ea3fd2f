package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func testSite() site {
	return newSite(fstest.MapFS{
		".gitkeep":              {},
		"index.html":            {Data: []byte("<!doctype html>page")},
		"index.html.gz":         {Data: []byte("gz page")},
		"mark.svg":              {Data: []byte("<svg/>")},
		"assets/app-1a2b.js":    {Data: []byte("code")},
		"assets/app-1a2b.js.br": {Data: []byte("br code")},
		"assets/app-1a2b.js.gz": {Data: []byte("gz code")},
		"assets/sans-9f.woff2":  {Data: []byte("font")},
	})
}

func get(t *testing.T, h http.Handler, method, target, accept string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Accept-Encoding", accept)
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := io.Copy(&b, r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryPathGetsWhatItShould(t *testing.T) {
	t.Parallel()
	const forever, ask = "public, max-age=31536000, immutable", "no-cache"
	for _, c := range []struct {
		target, accept     string
		status             int
		body, kind, coding string
		cache              string
	}{
		{"/", "", 200, "<!doctype html>page", "text/html; charset=utf-8", "", ask},
		{"/index.html", "", 200, "<!doctype html>page", "text/html; charset=utf-8", "", ask},
		{"/", "gzip, br", 200, "gz page", "text/html; charset=utf-8", "gzip", ask},
		{"/bounties/12", "", 200, "<!doctype html>page", "text/html; charset=utf-8", "", ask},
		{"/mark.svg", "br", 200, "<svg/>", "image/svg+xml", "", ask},
		{"/assets/app-1a2b.js", "", 200, "code", "text/javascript; charset=utf-8", "", forever},
		{"/assets/app-1a2b.js", "gzip, deflate, br", 200, "br code",
			"text/javascript; charset=utf-8", "br", forever},
		{"/assets/app-1a2b.js", "br;q=0, gzip;q=0.5", 200, "gz code",
			"text/javascript; charset=utf-8", "gzip", forever},
		{"/assets/sans-9f.woff2", "br", 200, "font", "font/woff2", "", forever},
		{"/assets/gone-77.js", "", 404, "404 page not found\n", "text/plain; charset=utf-8", "", ""},
		{"/assets/app-1a2b.js.br", "", 404, "404 page not found\n",
			"text/plain; charset=utf-8", "", ""},
		{"/.gitkeep", "", 404, "404 page not found\n", "text/plain; charset=utf-8", "", ""},
		{"/../doc.go", "", 404, "404 page not found\n", "text/plain; charset=utf-8", "", ""},
	} {
		t.Run(c.target+" "+c.accept, func(t *testing.T) {
			t.Parallel()
			r := get(t, testSite(), "GET", c.target, c.accept)
			h := r.Header
			got := []any{r.StatusCode, body(t, r), h.Get("Content-Type"),
				h.Get("Content-Encoding"), h.Get("Cache-Control")}
			want := []any{c.status, c.body, c.kind, c.coding, c.cache}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("got %q, want %q", got[i], want[i])
				}
			}
			if h.Get("Content-Security-Policy") != Policy ||
				h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v do not harden the page", h)
			}
		})
	}
}

func TestThePolicyAllowsNothingInlineOrForeign(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"unsafe-", "*", "http:", "https:", "data:", "nonce-"} {
		if strings.Contains(Policy, word) {
			t.Errorf("policy %q contains %q", Policy, word)
		}
	}
	if !strings.HasPrefix(Policy, "default-src 'self';") {
		t.Errorf("policy %q does not start from self", Policy)
	}
}

func TestThePageIsOnlyRead(t *testing.T) {
	t.Parallel()
	r := get(t, testSite(), "POST", "/", "")
	if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST got %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	r = get(t, testSite(), "HEAD", "/assets/app-1a2b.js", "br")
	if got := body(t, r); got != "" || r.Header.Get("Content-Length") != "7" {
		t.Errorf("HEAD got body %q, length %q", got, r.Header.Get("Content-Length"))
	}
}

func TestWithoutABuildThePageSaysHowToMakeOne(t *testing.T) {
	t.Parallel()
	r := get(t, newSite(fstest.MapFS{".gitkeep": {}}), "GET", "/bounties/3", "")
	if text := body(t, r); r.StatusCode != 503 || !strings.Contains(text, "make web") {
		t.Errorf("got %d %q", r.StatusCode, text)
	}
}

func TestTheBuiltPageHasNothingInline(t *testing.T) {
	t.Parallel()
	r := get(t, Handler(), "GET", "/", "")
	page := body(t, r)
	if r.StatusCode == http.StatusServiceUnavailable {
		t.Skip("the page is not built; run make web")
	}
	for _, word := range []string{"<style", "style=", "<script>", " on", "data:", "http://", "https://"} {
		if strings.Contains(page, word) {
			t.Errorf("the page contains %q, which its policy refuses", word)
		}
	}
	for _, part := range strings.Split(page, `"/assets/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if r := get(t, Handler(), "GET", "/assets/"+name, "br"); r.StatusCode != http.StatusOK {
			t.Errorf("the page asks for %s, which answers %d", name, r.StatusCode)
		}
	}
}
