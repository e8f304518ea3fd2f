package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/everseed/everseed/api/client"
)

// routes is the whole surface. What is no JSON is in plain (ops.go).
func (s *Server) routes(a huma.API) {
	read, trade, withdraw := scope(client.ScopeRead), scope(client.ScopeTrade),
		scope(client.ScopeWithdraw)

	m := group{a, "market"}
	route(m, "GET /v1/rules", "The market's rules, vault and auditors", s.rules)
	route(m, "GET /v1/market", "The whole market at a glance", s.market)
	route(m, "GET /v1/calls", "Calls of the matcher, newest first", s.calls)
	route(m, "GET /v1/calls/{id}", "One call of the matcher", s.call)
	route(m, "GET /v1/events", "What happened, oldest first", s.events)
	route(m, "GET /v1/solvency", "The ledger compared with the vault", s.solvency)

	m.tag = "accounts"
	route(m, "POST /v1/session/challenge", "Ask for a text to sign", s.challenge)
	route(m, "POST /v1/session", "Sign in with the signed text", s.login, created)
	route(m, "POST /v1/keys", "Make an API key", s.createKey, withdraw, created)
	route(m, "GET /v1/keys", "Your API keys", s.keys, read)
	act(m, "DELETE /v1/keys/{id}", "End an API key at once", s.revokeKey, withdraw)
	route(m, "GET /v1/accounts/{address}", "What the ledger says of an address", s.account)
	route(m, "GET /v1/accounts/{address}/statement", "Its lines of the ledger, newest first",
		s.statement)
	route(m, "GET /v1/accounts/{address}/statement.csv", "All of them for a spreadsheet",
		s.statementCSV, spreadsheet)

	m.tag = "torrents"
	route(m, "POST /v1/torrents", "Register a .torrent file", s.addTorrent, trade, created, upload)
	route(m, "GET /v1/torrents", "Registered torrents, newest first", s.torrents)
	route(m, "GET /v1/torrents/{infohash}", "One torrent", s.torrent)
	route(m, "GET /v1/torrents/{infohash}/metainfo", "Its .torrent file", s.metainfo, download)

	m.tag = "bounties"
	route(m, "POST /v1/quote", "What a bounty would cost and get", s.quote)
	route(m, "POST /v1/bounties", "Post a bounty", s.post, trade, created, once)
	route(m, "GET /v1/bounties", "Bounties, newest first", s.bounties)
	route(m, "GET /v1/bounties/{id}", "One bounty", s.bounty)
	route(m, "POST /v1/bounties/{id}/fund", "Pledge what a bounty lacks to open", s.fund, trade, once)
	route(m, "DELETE /v1/bounties/{id}/fund", "Take your pledge back before it opens", s.takeBack,
		trade)
	route(m, "POST /v1/bounties/{id}/cancel", "End a bounty", s.cancel, trade, once)

	m.tag = "offers"
	route(m, "PUT /v1/offer", "Put up or change your offer", s.putOffer, trade)
	route(m, "POST /v1/offer/state", "Pause, resume or close it", s.setOfferState, trade)
	route(m, "GET /v1/offers", "Offers, newest first", s.offers)
	route(m, "GET /v1/offers/{id}", "One offer", s.offer)

	m.tag = "leases"
	route(m, "GET /v1/leases", "Leases, newest first", s.leases)
	route(m, "GET /v1/leases/{id}", "One lease", s.lease)
	route(m, "POST /v1/leases/{id}/accept", "Take a reserved lease on", s.accept, trade)
	route(m, "POST /v1/leases/{id}/decline", "Refuse a reserved lease", s.decline, trade)
	route(m, "POST /v1/leases/{id}/ready", "Say that all data is served", s.ready, trade)
	route(m, "POST /v1/leases/{id}/abandon", "Give a lease up early", s.abandon, trade)
	act(m, "POST /v1/knocks", "Have an agent that you cannot reach connect to you", s.knock, trade)
	route(m, "POST /v1/carries", "Have another agent's line lent for an auditor's visit", s.carry, trade)
	route(m, "POST /v1/knocks/door", "Whether agents could reach where you listen", s.door, trade)

	m.tag = "proofs"
	route(m, "GET /v1/proofs", "Proofs, newest first", s.proofs)
	route(m, "GET /v1/proofs/{lease}/{epoch}", "All that is behind one epoch's pay", s.trail)
	route(m, "GET /v1/reports", "Auditors' signed findings, newest first", s.reports, sealed)
	route(m, "GET /v1/audit/known", "Reports that show which pieces an auditor knew", s.known)
	route(m, "GET /v1/audit/promises", "Hashes of epochs' secrets, newest first", s.promises)
	route(m, "GET /v1/audit/epochs/{epoch}", "What auditors work from", s.auditEpoch)
	route(m, "GET /v1/audit/commitments", "What auditors committed to, newest first", s.commitments,
		hushed)
	route(m, "POST /v1/audit/commitments", "Commit to findings", s.commit, trade, created, drawn)
	route(m, "POST /v1/audit/reports", "Reveal findings", s.reveal, trade, created, drawn)

	m.tag = "auditors"
	route(m, "PUT /v1/auditor", "Register as an auditor, or change your terms", s.registerAuditor, trade)
	route(m, "POST /v1/auditor/state", "Pause, resume or leave", s.setAuditorState, trade)
	route(m, "GET /v1/auditors", "Auditors, newest first", s.auditors)
	route(m, "GET /v1/auditors/{address}", "One auditor", s.auditor)
	route(m, "GET /v1/audit/shifts", "What epochs asked of auditors, newest first", s.shifts)

	m.tag = "cheques"
	route(m, "GET /v1/cheques", "Cheques, newest first", s.cheques)
	route(m, "GET /v1/audit/drafts", "Owed cheques for you to sign", s.drafts, read, signer)
	route(m, "POST /v1/cheques/{id}/signatures", "Sign an owed cheque", s.signCheque, trade, signer)
}

// A group is some routes that belong together.
type group struct {
	api huma.API
	tag string
}

// An answer is what huma wants around a body.
type answer[T any] struct{ Body T }

// route registers a handler under "METHOD /path".
func route[I, T any](
	g group, pattern, summary string, handle func(context.Context, *I) (T, error),
	opts ...func(*huma.Operation),
) {
	huma.Register(g.api, operation(g.tag, pattern, summary, opts),
		func(ctx context.Context, in *I) (*answer[T], error) {
			v, err := handle(ctx, in)
			if err != nil {
				return nil, err
			}
			return &answer[T]{v}, nil
		})
}

// act registers a handler that answers with nothing but its success.
func act[I any](
	g group, pattern, summary string, handle func(context.Context, *I) error,
	opts ...func(*huma.Operation),
) {
	huma.Register(g.api, operation(g.tag, pattern, summary, opts),
		func(ctx context.Context, in *I) (*struct{}, error) { return nil, handle(ctx, in) })
}

func operation(tag, pattern, summary string, opts []func(*huma.Operation)) huma.Operation {
	method, path, _ := strings.Cut(pattern, " ")
	op := huma.Operation{OperationID: operationID(method, path), Method: method, Path: path,
		Tags: []string{tag}, Summary: summary, Metadata: map[string]any{}}
	for _, opt := range opts {
		opt(&op)
	}
	return op
}

// operationID makes "get-bounties-id" of a method and a path.
func operationID(method, path string) string {
	clean := strings.NewReplacer("/v1", "", "/", "-", ".", "-", "{", "", "}", "").Replace(path)
	return strings.ToLower(method) + clean
}

func scope(s client.Scope) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.Security = []map[string][]string{{bearer: {}}}
		op.Metadata["scope"] = string(s)
		op.Description = "Needs the scope `" + string(s) + "`."
	}
}

func signer(op *huma.Operation) {
	op.Metadata["signer"] = true
	op.Description += " Only for auditors that sign cheques."
}

func drawn(op *huma.Operation) {
	op.Description += " Only for the auditors that the schedule of the epoch sends to the lease."
}

// sealed documents who reads reports, and when.
func sealed(op *huma.Operation) {
	op.Description = "As long as an epoch takes reports, only their author reads them: nobody shall " +
		"report what others found."
}

// hushed documents who reads commitments, and when.
func hushed(op *huma.Operation) {
	op.Description = "As long as an epoch runs, only their author reads them: no agent shall learn that " +
		"nobody will come any more."
}

func created(op *huma.Operation) { op.DefaultStatus = http.StatusCreated }

const torrentType = "application/x-bittorrent"

// upload raises the limit of bodies, which is 1 MiB everywhere else. huma refuses at the limit.
func upload(op *huma.Operation) { op.MaxBodyBytes = 10_000_001 }

func download(op *huma.Operation) { answersWith(op, torrentType, "binary") }

func answersWith(op *huma.Operation, kind, format string) {
	op.Responses = map[string]*huma.Response{"200": {Description: "OK",
		Content: map[string]*huma.MediaType{kind: {
			Schema: &huma.Schema{Type: huma.TypeString, Format: format}}}}}
}

// once documents a route that wants an Idempotency-Key; its input demands it.
func once(op *huma.Operation) {
	op.Description += " A repeat with the same " + onceHeader + " returns the first answer; " +
		"another body with the same key is refused."
	status := strconv.Itoa(max(op.DefaultStatus, http.StatusOK))
	op.Responses = map[string]*huma.Response{status: {Headers: map[string]*huma.Param{
		replayedHeader: {Description: "true when this is the answer to an earlier request",
			Schema: &huma.Schema{Type: huma.TypeString}}}}}
}

// onceHeader makes a POST safe to repeat.
const (
	onceHeader     = "Idempotency-Key"
	replayedHeader = "Idempotent-Replayed"
)

// finish corrects what huma made of an operation. Every POST takes an Idempotency-Key; the
// raw copy of a JSON body is ours and no second content type.
func finish(_ *huma.OpenAPI, op *huma.Operation) {
	if op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil {
		delete(op.RequestBody.Content, "application/octet-stream")
	}
	if op.Method != http.MethodPost {
		return
	}
	for _, p := range op.Parameters {
		if p.Name == onceHeader {
			return
		}
	}
	op.Parameters = append(op.Parameters, &huma.Param{Name: onceHeader, In: "header",
		Description: "Repeats of a request carry the same", Schema: &huma.Schema{
			Type: huma.TypeString}})
}
