package marketplace

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// CapacityMax is the most leases an epoch that an auditor may say it looks at.
const CapacityMax = 1_000_000

// AuditorTerms are what an auditor offers: the body of PUT /v1/auditor. It signs them, so that
// whoever pays it can check who named its payee.
type AuditorTerms struct {
	Auditor   Address   `json:"auditor"`
	Capacity  int       `json:"capacity" doc:"Leases that it looks at in an epoch, at most"`
	Payee     Address   `json:"payee" doc:"Who gets its pay; a cold address is best"`
	Name      string    `json:"name,omitempty" doc:"What it calls itself, to be shown"`
	Contact   string    `json:"contact,omitempty" doc:"How the operator reaches it; public"`
	At        time.Time `json:"at" doc:"When it was signed; newer terms replace older ones"`
	Signature Signature `json:"signature,omitzero" doc:"Over the terms' text, TRON signed message"`
}

// Text returns what the auditor signs: every field but the signature, one line each.
func (t AuditorTerms) Text() string {
	return fmt.Sprintf("Everseed auditor\nauditor %s\ncapacity %d\npayee %s\nname %s\ncontact %s\nat %s",
		t.Auditor, t.Capacity, t.Payee, t.Name, t.Contact, t.At.UTC().Format(time.RFC3339Nano))
}

// signedWithin is how far the time of signed terms may be from the market's clock.
const signedWithin = 5 * time.Minute

const lineMax = 100

// Check returns every breach of the rules, joined. The signature is checked at the door.
func (t AuditorTerms) Check(now time.Time) error {
	var errs []error
	refuse := func(bad bool, name, format string, args ...any) {
		if bad {
			errs = append(errs, field(name, format, args...))
		}
	}
	refuse(t.Auditor.IsZero(), "auditor", "is missing")
	refuse(t.Capacity < 1 || t.Capacity > CapacityMax, "capacity", "must be 1 to %d leases an epoch;"+
		" to get none pause or leave", CapacityMax)
	refuse(t.Payee.IsZero(), "payee", "is missing")
	for name, line := range map[string]string{"name": t.Name, "contact": t.Contact} {
		refuse(utf8.RuneCountInString(line) > lineMax || !utf8.ValidString(line) ||
			strings.ContainsFunc(line, unicode.IsControl), name, "must be one line of at most %d characters",
			lineMax)
	}
	refuse(t.At.Before(now.Add(-signedWithin)) || t.At.After(now.Add(signedWithin)), "at",
		"is %s and the market's clock %s; sign anew with the right time", t.At.UTC().Format(time.RFC3339),
		now.UTC().Format(time.RFC3339))
	return errors.Join(errs...)
}

// An AuditorState is where an auditor stands with the operator and by its own will. Its standing
// is another matter: that follows from what it did.
type AuditorState string

// The states of an auditor. Only an admitted one gets a seat on a panel.
const (
	Applied       AuditorState = "applied"   // registered; the operator has not answered
	Admitted      AuditorState = "admitted"  // gets seats, unless its standing is too low
	PausedAuditor AuditorState = "paused"    // wants none for a while
	Barred        AuditorState = "suspended" // by the operator
	Refused       AuditorState = "refused"   // by the operator, before it ever had one
	LeftAuditor   AuditorState = "left"      // for good, or until it registers again
)

// AuditorMoves is the whole law of an auditor's life. The operator admits, refuses and suspends; the
// auditor pauses, resumes and leaves.
var AuditorMoves = Moves[AuditorState]{
	Applied:       {Admitted, Refused, LeftAuditor},
	Admitted:      {PausedAuditor, Barred, LeftAuditor},
	PausedAuditor: {Admitted, Barred, LeftAuditor},
	Barred:        {Admitted, LeftAuditor},
	Refused:       {Admitted, LeftAuditor},
	LeftAuditor:   {Applied},
}

// An Auditor is what the market knows of one who looks at replicas.
type Auditor struct {
	ID           int64           `json:"id" doc:"Its number in the market's list"`
	Terms        AuditorTerms    `json:"terms"`
	State        AuditorState    `json:"state"`
	Reason       string          `json:"reason,omitempty" doc:"The operator's word on its state"`
	Signs        bool            `json:"signs" doc:"Signs cheques too: mandates name it"`
	Standing     Standing        `json:"standing" doc:"By what it did; panels seat no suspended or disqualified one"`
	Outlook      *AuditorOutlook `json:"outlook,omitempty" doc:"Scores and warnings, from its first epoch on"`
	Due          int             `json:"due" doc:"Visits that it was drawn for, ever"`
	Done         int             `json:"done" doc:"... that it reported on"`
	Refuted      int             `json:"refuted" doc:"Its accusations that others, asked the same, did not find"`
	LastEpoch    int64           `json:"last_epoch,omitzero" doc:"Newest judged epoch that it reported in"`
	RegisteredAt time.Time       `json:"registered_at"`
	MovedAt      time.Time       `json:"moved_at" doc:"Last change of its state"`
}

// An AuditorOutlook is how an auditor stands and what would change that, in words and numbers.
type AuditorOutlook struct {
	Drawn      bool      `json:"drawn" doc:"Whether its standing lets it have a seat"`
	Reputation Gauge     `json:"reputation" doc:"Falls with what it says of canaries that cannot be"`
	Uptime     Gauge     `json:"uptime" doc:"Falls with visits that it was drawn for and did not report on"`
	Next       string    `json:"next" doc:"What changes its standing next, in words"`
	Warnings   []Warning `json:"warnings,omitempty"`
}

// AuditorOutlook explains an auditor's standing.
func (r Rules) AuditorOutlook(s Standing, rec Record) AuditorOutlook {
	o := AuditorOutlook{Drawn: s == New || s == Vetted, Next: "nothing, while it goes on like this",
		Reputation: gauge(rec.Reputation, r.ReputationMemoryBps, r.ReputationWarnBps, r.ReputationMinBps),
		Uptime:     gauge(rec.Uptime, r.UptimeMemoryBps, r.UptimeWarnBps, r.UptimeMinBps),
	}
	o.Reputation.Costs = "disqualified: no seats, for good"
	o.Uptime.Costs = "suspended: no seats until it is back"
	warn := func(k WarningKind, format string, args ...any) {
		o.Warnings = append(o.Warnings, Warning{k, fmt.Sprintf(format, args...)})
	}
	switch {
	case s == Disqualified:
		o.Next = "nothing: a disqualified auditor stays so"
		warn(OutForGood, "%d reports on replicas whose state the market knew say what cannot be", rec.Faults)
		return o
	case s == Suspended:
		o.Next = fmt.Sprintf("%d epochs without a seat end the suspension",
			rec.Uptime.successesTo(r.UptimeMemoryBps, r.UptimeMinBps))
		warn(OutOfUptime, "%s of what it was drawn for was done, below %s", Percent(o.Uptime.Bps),
			Percent(o.Uptime.MinBps))
	case !rec.UptimeWarned.IsZero():
		warn(WarnUptime, "%s of what it was drawn for was done; %s it is %s. Is it running, and its clock"+
			" right?", Percent(o.Uptime.Bps), o.Uptime.when("visits in a row without a report"),
			o.Uptime.Costs)
	}
	if !rec.DataWarned.IsZero() {
		warn(WarnData, "reputation is %s; %s it is %s. A report said what cannot be",
			Percent(o.Reputation.Bps), o.Reputation.when("failures"), o.Reputation.Costs)
	}
	return o
}
