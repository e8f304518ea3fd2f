package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/everseed/everseed/marketplace"
)

// A problem is what the market answers instead of success (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	RequestID string `json:"request_id"`
}

// refusal turns an answer that is no success back into the error that the server returned.
func refusal(resp *http.Response, body []byte) error {
	var p problem
	isProblem := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if !isProblem || json.Unmarshal(body, &p) != nil {
		switch resp.StatusCode {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return marketplace.Unavailable.Errorf("the market is not there: %s", resp.Status)
		}
		return fmt.Errorf("%s %s: %s, and not from a market", resp.Request.Method,
			resp.Request.URL, resp.Status)
	}
	kind := marketplace.Kind(path.Base(p.Type))
	if kind == "internal" && p.RequestID != "" {
		p.Detail += " (request " + p.RequestID + ")"
	}
	var all []error
	for _, e := range p.Errors {
		all = append(all, &marketplace.Error{
			Kind: kind, Field: strings.TrimPrefix(e.Location, "body."), Detail: e.Message})
	}
	switch len(all) {
	case 0:
		return &marketplace.Error{Kind: kind, Detail: p.Detail}
	case 1:
		return all[0]
	default:
		return errors.Join(all...)
	}
}
