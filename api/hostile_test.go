package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/everseed/everseed/marketplace"
)

// nasty are values that break what was not made for strangers.
var nasty = []any{nil, true, -1, 0, 1e300, 9223372036854775807.0, "", " ", "\x00", "a\x00b",
	"\ufffd", strings.Repeat("é", 500), strings.Repeat("9", 60), "1e9", "-1",
	"0x1", "' OR 1=1 --", "%00",
	"../../etc/passwd", []any{}, []any{nil}, []any{[]any{}}, map[string]any{}, "9223372036854775807",
	"99999999999999999999", "NaN", "0.0000000000000000001", "2562047h47m16.854775807s", "106751d",
	"TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy", strings.Repeat("0", 64), strings.Repeat("f", 130),
	"9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "-00001-01-01T00:00:00Z"}

// TestNoRequestIsAFaultOfOurs puts every nasty value in every place of every operation that the
// spec names. Whatever comes, the answer blames the request, never the market.
func TestNoRequestIsAFaultOfOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(t.Output(), nil)) })
	l, _ := r.proving()
	token := r.session(r.auditors[0]) // who may call the most
	for _, op := range operations(r.server.spec) {
		if op.Path == streamPath || !strings.HasPrefix(op.Path, "/v1/") ||
			op.OperationID == "delete-keys-id" {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			for _, q := range assaults(r.server.spec, op, l) {
				resp, body := r.raw(token, op.Method, q.path, q.body, q.headers...)
				if resp.StatusCode >= 500 && resp.StatusCode != 503 {
					t.Errorf("%s %.200q %q %.300q: %s %s", op.Method, q.path, q.headers, q.body,
						resp.Status, body)
				}
			}
		})
	}
}

type assault struct {
	path, body string
	headers    []string
}

// assaults are requests for an operation with one nasty value each.
func assaults(spec *huma.OpenAPI, op *huma.Operation, l marketplace.Lease) []assault {
	good := strings.NewReplacer("{id}", "1", "{infohash}", l.Infohash.String(), "{address}",
		l.Agent.String(), "{epoch}", "1").Replace(op.Path)
	body, fields := example(spec, op)
	once := []string{onceHeader, "fixed"}
	var all []assault
	for _, bad := range nasty {
		text := fmt.Sprint(bad)
		for _, p := range op.Parameters {
			switch p.In {
			case "path":
				all = append(all, assault{strings.Replace(op.Path, "{"+p.Name+"}",
					url.PathEscape(text), 1), body, once})
			case "query":
				all = append(all, assault{good + "?" + p.Name + "=" + url.QueryEscape(text), body, once})
			case "header":
				if !strings.ContainsAny(text, "\x00") {
					all = append(all, assault{good, body, []string{p.Name, text}})
				}
			}
		}
		for name := range fields {
			all = append(all, assault{good, with(fields, name, bad), once})
		}
		if whole, err := json.Marshal(bad); err == nil && len(fields) > 0 {
			all = append(all, assault{good, string(whole), once})
		}
	}
	return all
}

// example returns a body that the schema allows, and its fields.
func example(spec *huma.OpenAPI, op *huma.Operation) (string, map[string]any) {
	if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return "", nil
	}
	s := spec.Components.Schemas.SchemaFromRef(op.RequestBody.Content["application/json"].Schema.Ref)
	fields := map[string]any{}
	for name, p := range s.Properties {
		fields[name] = exampleOf(p)
	}
	return with(fields, "", nil), fields
}

func exampleOf(s *huma.Schema) any {
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Type == huma.TypeInteger:
		return 5
	case s.Type == huma.TypeArray:
		return []any{exampleOf(s.Items)}
	case s.Format == "date-time":
		return "2026-01-02T03:04:05Z"
	case s.Format == "signature":
		return strings.Repeat("1", 130)
	default:
		return "europe"
	}
}

func with(fields map[string]any, name string, value any) string {
	changed := map[string]any{}
	for k, v := range fields {
		changed[k] = v
	}
	if name != "" {
		changed[name] = value
	}
	body, err := json.Marshal(changed)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestClosedSetsHaveEveryState(t *testing.T) {
	t.Parallel()
	check(t, marketplace.BountyMoves)
	check(t, marketplace.LeaseMoves)
	check(t, marketplace.OfferMoves)
	check(t, marketplace.ChequeMoves)
}

// check holds the spec's set of a state against the law of its moves.
func check[S ~string](t *testing.T, moves marketplace.Moves[S]) {
	t.Helper()
	set := enum[S]{}.Schema(nil).Enum
	for from, all := range moves {
		for _, s := range append(all, from) {
			if !slices.Contains(set, any(string(s))) {
				t.Errorf("%T %q is not in the spec's set %v", s, s, set)
			}
		}
	}
}
