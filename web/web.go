package web

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed all:dist
var built embed.FS

// Policy is the page's Content-Security-Policy: everything comes from the market itself, nothing
// is inline, and strings never become markup or code.
const Policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the page. Mount it below every route of the API.
func Handler() http.Handler {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // dist is embedded under this very name
	}
	return newSite(dist)
}

// A site is a built page, read whole when it starts: it is small, and embedded anyway.
type site struct{ files map[string]file }

// A file is one file of the build with its pressed forms, by the name of their encoding.
type file struct {
	body    []byte
	pressed map[string][]byte
	kind    string
	forever bool
}

// encodings in the order of preference, with the extension of the pressed form.
var encodings = []struct{ name, ext string }{{"br", ".br"}, {"gzip", ".gz"}}

func newSite(dist fs.FS) site {
	s := site{files: map[string]file{}}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") || isPressed(name) {
			return err
		}
		f, err := load(dist, name)
		s.files["/"+name] = f
		return err
	})
	if err != nil {
		panic(err) // an embedded file cannot be missing
	}
	return s
}

func isPressed(name string) bool {
	return slices.Contains([]string{".br", ".gz"}, path.Ext(name))
}

func load(dist fs.FS, name string) (file, error) {
	body, err := fs.ReadFile(dist, name)
	if err != nil {
		return file{}, err
	}
	f := file{body: body, pressed: map[string][]byte{}, kind: mime.TypeByExtension(path.Ext(name)),
		forever: strings.HasPrefix(name, "assets/")}
	if path.Ext(name) == ".woff2" {
		f.kind = "font/woff2" // not in every machine's table
	}
	for _, e := range encodings {
		switch small, err := fs.ReadFile(dist, name+e.ext); {
		case err == nil:
			f.pressed[e.name] = small
		case !errors.Is(err, fs.ErrNotExist):
			return f, err
		}
	}
	return f, nil
}

// ServeHTTP answers GET and HEAD.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this page is only read", http.StatusMethodNotAllowed)
		return
	}
	name := path.Clean("/" + r.URL.Path)
	if f, ok := s.files[name]; ok && name != "/index.html" {
		f.send(w, r)
		return
	}
	if path.Ext(name) != "" && name != "/index.html" {
		http.NotFound(w, r) // a missing file must not look like the page
		return
	}
	index, ok := s.files["/index.html"]
	if !ok {
		unbuilt(w, r)
		return
	}
	index.send(w, r)
}

func harden(h http.Header) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.body
	if len(f.pressed) > 0 {
		h.Set("Vary", "Accept-Encoding")
		if name := choose(r.Header.Get("Accept-Encoding"), f.pressed); name != "" {
			h.Set("Content-Encoding", name)
			body = f.pressed[name]
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a reader that left is nobody's error
	}
}

// choose returns the best encoding that the reader takes and we have, or "".
func choose(accept string, have map[string][]byte) string {
	takes := map[string]bool{}
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(part, ";")
		weight = strings.ReplaceAll(strings.TrimSpace(weight), " ", "")
		q, err := strconv.ParseFloat(strings.TrimPrefix(weight, "q="), 64)
		takes[strings.ToLower(strings.TrimSpace(name))] = weight == "" || err == nil && q > 0
	}
	for _, e := range encodings {
		if _, ok := have[e.name]; ok && takes[e.name] {
			return e.name
		}
	}
	return ""
}

func unbuilt(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, unbuiltPage)
	}
}

const unbuiltPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Everseed: page not built</title>
<h1>This market was built without its page</h1>
<p>The market itself runs; its API is described at <a href="/docs">/docs</a>.</p>
<p>To see the page here, run <code>make web</code> and build the market again.</p>
</html>
`
