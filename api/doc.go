// Package api is the market's one public door: every poster, agent, auditor and page comes
// through it. routes.go is the whole surface on one screen.
//
// A handler decodes, calls the book once and returns a noun of package marketplace or an error;
// problem.go turns errors into statuses (RFC 9457). Accounts sign in by signing a text with
// their TRON key (auth.go) and act by session or API key. stream.go tells what happens as it
// happens, from one reader of the book for all clients (hub.go).
//
// openapi.yaml is emitted from the routes, and a test says that it is current.
package api

//go:generate go test -run TestOpenAPIIsCurrent -update .
