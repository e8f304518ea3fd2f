package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/everseed/everseed/marketplace"
)

// Kinds that only HTTP knows.
const (
	internal    marketplace.Kind = "internal"
	badMethod   marketplace.Kind = "method_not_allowed"
	tooLarge    marketplace.Kind = "too_large"
	tooSlow     marketplace.Kind = "too_slow"
	unsupported marketplace.Kind = "unsupported"
)

// statuses is the one table from kinds of errors to HTTP.
var statuses = map[marketplace.Kind]struct {
	status int
	title  string
}{
	marketplace.Invalid:      {http.StatusUnprocessableEntity, "The request breaks a rule"},
	marketplace.Unauthorized: {http.StatusUnauthorized, "Sign in first"},
	marketplace.Forbidden:    {http.StatusForbidden, "Not yours to do"},
	marketplace.NotFound:     {http.StatusNotFound, "There is no such thing"},
	marketplace.Conflict:     {http.StatusConflict, "Not in the state this needs"},
	marketplace.Insufficient: {http.StatusPaymentRequired, "Not enough free BTT or mandate"},
	marketplace.TooMany:      {http.StatusTooManyRequests, "A limit is reached"},
	marketplace.Unavailable:  {http.StatusServiceUnavailable, "Try again in a moment"},
	marketplace.Denied:       {http.StatusUnavailableForLegalReasons, "This torrent is refused"},
	badMethod:                {http.StatusMethodNotAllowed, "This path has other methods"},
	tooLarge:                 {http.StatusRequestEntityTooLarge, "The body is too large"},
	tooSlow:                  {http.StatusRequestTimeout, "The body came too slowly"},
	unsupported:              {http.StatusUnsupportedMediaType, "Not a type this path reads"},
	internal:                 {http.StatusInternalServerError, "A fault of ours"},
}

const problemBase = "https://everseed.example/problems/"

// A problem is the body of every answer that is no success.
type problem struct {
	Type      string       `json:"type" format:"uri" doc:"Stable; its last part is the error's kind"`
	Title     string       `json:"title" doc:"The kind in words"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail" doc:"What is wrong and what would mend it"`
	Errors    []fieldError `json:"errors,omitempty" doc:"Every field that is to blame"`
	RequestID string       `json:"request_id" doc:"Quote it when you ask for help"`
}

// A fieldError says what is wrong with one part of the request.
type fieldError struct {
	Location string `json:"location" doc:"Like body.price_max, query.limit or path.id"`
	Message  string `json:"message"`
}

func (p *problem) Error() string { return p.Detail }

// GetStatus makes a problem an error that huma writes as it is.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is what RFC 9457 wants.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// huma makes errors through these two variables and offers no other way.
func init() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return fromHuma(context.Background(), status, msg, errs)
	}
	huma.NewErrorWithContext = func(
		c huma.Context, status int, msg string, errs ...error,
	) huma.StatusError {
		p := fromHuma(c.Context(), status, msg, errs)
		said := visitOf(c.Context()).header.Get("Retry-After")
		if wait := retryAfter(p.Status); wait != "" && said == "" {
			c.SetHeader("Retry-After", wait)
		}
		return p
	}
}

// retryAfter is what to tell a client that shall come back; limits.go knows better for its own.
func retryAfter(status int) string {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		return "1"
	}
	return ""
}

func newProblem(ctx context.Context, kind marketplace.Kind, detail string) *problem {
	row, ok := statuses[kind]
	if !ok {
		panic("no status for error kind " + kind)
	}
	return &problem{Type: problemBase + string(kind), Title: row.title, Status: row.status,
		Detail: detail, RequestID: visitOf(ctx).id}
}

// problemOf says an error of ours to the caller. What is no refusal is logged and not shown.
func problemOf(ctx context.Context, err error) *problem {
	all := refusals(err)
	if len(all) == 0 {
		return hidden(ctx, err)
	}
	p := newProblem(ctx, all[0].Kind, all[0].Error())
	for _, e := range all {
		if e.Field != "" {
			p.Errors = append(p.Errors, fieldError{"body." + e.Field, e.Detail})
		}
	}
	if len(p.Errors) > 1 {
		p.Detail = fmt.Sprintf("%d fields break a rule", len(p.Errors))
	}
	return p
}

// refusals finds what the caller can act on below any wrapping.
func refusals(err error) []*marketplace.Error {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, joined := err.(interface{ Unwrap() []error }); joined {
			return marketplace.Refusals(err)
		}
		if one, ok := err.(*marketplace.Error); ok {
			return []*marketplace.Error{one}
		}
	}
	return nil
}

// hidden is the answer to an error that the caller can do nothing about.
func hidden(ctx context.Context, err error) *problem {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return newProblem(ctx, tooLarge, fmt.Sprintf("at most %d bytes", large.Limit))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return newProblem(ctx, marketplace.Invalid, "the body ended early")
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return newProblem(ctx, marketplace.Unavailable, "the request was broken off")
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(ctx, marketplace.Unavailable, "the market took too long; try again")
	}
	v := visitOf(ctx)
	v.log.ErrorContext(ctx, "request went wrong", "request", v.id, "err", err)
	return newProblem(ctx, internal, "internal error; quote the request id when you ask for help")
}

// fromHuma turns what huma found wrong, or a handler's error on its way out, into a problem.
// Values of the input are not repeated: they may be secrets.
func fromHuma(ctx context.Context, status int, msg string, errs []error) *problem {
	kind := marketplace.Invalid
	switch status {
	case http.StatusRequestEntityTooLarge:
		kind = tooLarge
	case http.StatusUnsupportedMediaType:
		kind = unsupported
	case http.StatusRequestTimeout:
		kind = tooSlow
	case http.StatusInternalServerError:
		return problemOf(ctx, errors.Join(errs...))
	}
	p := newProblem(ctx, kind, msg)
	seen := map[string]bool{}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) {
			continue
		}
		e := fieldOf(d.ErrorDetail())
		if !seen[e.Location] {
			p.Errors = append(p.Errors, e)
		}
		seen[e.Location] = true
	}
	p.tidy(errs)
	return p
}

// fieldOf says a detail in our words. huma blames a missing field on the object around it.
func fieldOf(d *huma.ErrorDetail) fieldError {
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	if rest, ok := strings.CutPrefix(d.Message, before); ok {
		if field, ok := strings.CutSuffix(rest, after); ok {
			return fieldError{d.Location + "." + field, "is missing"}
		}
	}
	return fieldError{d.Location, d.Message}
}

// tidy drops the remark that the body as a whole did not fit when its fields say why, and puts
// a lone message where everybody looks first.
func (p *problem) tidy(errs []error) {
	if len(p.Errors) > 1 {
		kept := p.Errors[:0]
		for _, e := range p.Errors {
			if e.Location != "body" {
				kept = append(kept, e)
			}
		}
		p.Errors = kept
	}
	switch {
	case len(p.Errors) == 1:
		p.Detail = strings.TrimPrefix(p.Errors[0].Location, "body.") + ": " + p.Errors[0].Message
	case len(p.Errors) > 1:
		p.Detail = fmt.Sprintf("%d fields break a rule", len(p.Errors))
	case len(errs) > 0:
		p.Detail += ": " + errs[0].Error()
	}
}

// refuse writes err as a problem, for handlers outside huma.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = problemOf(r.Context(), err)
	}
	if wait := retryAfter(p.Status); wait != "" && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", wait)
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		visitOf(r.Context()).log.DebugContext(r.Context(), "problem was not read", "err", err)
	}
}
