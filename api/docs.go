package api

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs
var docsFiles embed.FS

var docsPages = template.Must(template.ParseFS(docsFiles, "docs/*.html"))

func docsStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	css, err := docsFiles.ReadFile("docs/style.css")
	if err != nil {
		panic(err) // it is built in
	}
	_, _ = w.Write(css)
}

// docs shows the spec on one page without a script.
func (s *Server) docs(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	if err := docsPages.ExecuteTemplate(&page, "api.html", describe(s.spec)); err != nil {
		refuse(w, r, fmt.Errorf("draw /docs: %w", err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes())
}

// operations returns the spec's operations by path.
func operations(spec *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range spec.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Path != all[j].Path {
			return all[i].Path < all[j].Path
		}
		return all[i].Method < all[j].Method
	})
	return all
}

// A docsOp is an operation as /docs shows it.
type docsOp struct {
	*huma.Operation
	Scope        string // empty: open to everybody
	Body, Answer docsContent
}

// docsContent is what goes over the wire: a schema, or a kind of content without one.
type docsContent struct{ Schema, Kind string }

// A docsSchema is a schema as /docs shows it.
type docsSchema struct {
	Name   string
	Fields []docsField
}

type docsField struct {
	Name, Type, Ref, Words string
	Optional               bool
}

type docsGroup struct {
	Tag        string
	Operations []docsOp
}

type docsView struct {
	Title, Words string
	Groups       []docsGroup
	Schemas      []docsSchema
}

// describe arranges the spec for the page.
func describe(spec *huma.OpenAPI) docsView {
	v := docsView{Title: spec.Info.Title, Words: spec.Info.Description}
	for _, op := range operations(spec) {
		tag := op.Tags[0]
		i := slices.IndexFunc(v.Groups, func(g docsGroup) bool { return g.Tag == tag })
		if i < 0 {
			i = len(v.Groups)
			v.Groups = append(v.Groups, docsGroup{Tag: tag})
		}
		v.Groups[i].Operations = append(v.Groups[i].Operations, describeOp(op))
	}
	for name, s := range spec.Components.Schemas.Map() {
		v.Schemas = append(v.Schemas, describeSchema(name, s))
	}
	sort.Slice(v.Schemas, func(i, j int) bool { return v.Schemas[i].Name < v.Schemas[j].Name })
	return v
}

func describeOp(op *huma.Operation) docsOp {
	d := docsOp{Operation: op}
	if scope, ok := op.Metadata["scope"].(string); ok {
		d.Scope = scope
	}
	if op.RequestBody != nil {
		d.Body = contentOf(op.RequestBody.Content)
	}
	for status, r := range op.Responses {
		if strings.HasPrefix(status, "2") {
			d.Answer = contentOf(r.Content)
		}
	}
	return d
}

func contentOf(content map[string]*huma.MediaType) docsContent {
	for kind, media := range content {
		if media.Schema != nil && media.Schema.Ref != "" {
			return docsContent{Schema: refName(media.Schema.Ref)}
		}
		return docsContent{Kind: kind}
	}
	return docsContent{}
}

func refName(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func describeSchema(name string, s *huma.Schema) docsSchema {
	d := docsSchema{Name: name}
	for field, fs := range s.Properties {
		f := docsField{Name: field, Words: fs.Description,
			Optional: !slices.Contains(s.Required, field)}
		f.Type, f.Ref = typeName(fs)
		if fs.PatternDescription != "" && f.Words == "" {
			f.Words = fs.PatternDescription
		}
		for i, value := range fs.Enum {
			f.Words += fmt.Sprint(map[bool]string{true: " · one of ", false: ", "}[i == 0], value)
		}
		d.Fields = append(d.Fields, f)
	}
	sort.Slice(d.Fields, func(i, j int) bool { return d.Fields[i].Name < d.Fields[j].Name })
	return d
}

// typeName returns a type in words, and the schema it refers to.
func typeName(s *huma.Schema) (words, ref string) {
	switch {
	case s.Ref != "":
		return refName(s.Ref), refName(s.Ref)
	case s.Items != nil:
		words, ref = typeName(s.Items)
		return "list of " + words, ref
	case s.Format != "":
		return s.Format, ""
	case s.Type == "":
		return "any", ""
	default:
		return s.Type, ""
	}
}
