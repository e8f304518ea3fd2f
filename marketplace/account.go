package marketplace

import (
	"slices"
	"time"
)

// A Mandate is a poster's permission on chain for a set of signers to draw cheques up to a cap.
type Mandate struct {
	Poster    Address   `json:"poster"`
	ID        Hash      `json:"id"`
	Signers   []Address `json:"signers"`
	Threshold int       `json:"threshold"`
	Cap       Amount    `json:"cap"`
	Committed Amount    `json:"committed" doc:"Accrued and reserved under it so far"`
	Expiry    time.Time `json:"expiry"`
}

// An Account is what the market's ledger says of one address, as a poster and as a payee.
type Account struct {
	Address  Address   `json:"address"`
	Free     Amount    `json:"free" doc:"Deposited and not reserved; what is thawing included"`
	Reserved Amount    `json:"reserved" doc:"Set aside for bounties"`
	Thawing  Amount    `json:"thawing" doc:"Asked back from the vault"`
	ThawEnds time.Time `json:"thaw_ends,omitzero"`
	Spent    Amount    `json:"spent" doc:"Accrued to agents and fees from its bounties"`
	Payable  Amount    `json:"payable" doc:"Earned, not yet redeemed on chain"`
	Held     Amount    `json:"held" doc:"Earned, held back until leases end"`
	Redeemed Amount    `json:"redeemed" doc:"Paid out on chain"`
	Mandates []Mandate `json:"mandates,omitempty"`
}

// A StatementLine is one line of the ledger as one account sees it. A transfer between two accounts
// of the same holder is two lines.
type StatementLine struct {
	Line    int64     `json:"line" doc:"Grows with time; a transfer from one of your accounts to another is two lines"`
	At      time.Time `json:"at"`
	Code    string    `json:"code" doc:"deposit, reserve, accrue, holdback, fee, vest, forfeit, …"`
	Account string    `json:"account" doc:"The account: free:…, reserved:…, payable:…, holdback:…"`
	In      Amount    `json:"in" doc:"What came in; zero when something left"`
	Out     Amount    `json:"out" doc:"What left; zero when something came in"`
	Balance Amount    `json:"balance" doc:"Of the account, after this line"`
	Other   string    `json:"other" doc:"The account at the other end"`
	Bounty  int64     `json:"bounty,omitempty"`
	Lease   int64     `json:"lease,omitempty"`
	ID      string    `json:"id" doc:"Of the transfer; it follows from what was booked"`
}

// Solvency compares the ledger with the vault at a solid block.
type Solvency struct {
	Block       int64     `json:"block" doc:"Solid block it holds for"`
	Vault       Amount    `json:"vault" doc:"What the vault's accounts add up to on chain"`
	Ledger      Amount    `json:"ledger" doc:"What the ledger's vault account says now; what became solid after the block may be in it already"`
	Token       Amount    `json:"token" doc:"BTT that the vault contract holds on chain"`
	Free        Amount    `json:"free"`
	Reserved    Amount    `json:"reserved"`
	Payable     Amount    `json:"payable"`
	Held        Amount    `json:"held"`
	Difference  string    `json:"difference,omitempty" doc:"Words, when something does not match"`
	Frozen      bool      `json:"frozen" doc:"Redemptions are stopped until vault and ledger agree"`
	FrozenSince time.Time `json:"frozen_since,omitzero"`
	ComparedAt  time.Time `json:"compared_at"`
	LedgerDebit Amount    `json:"ledger_debit" doc:"Sum of all debits; equals the credits"`
	LedgerCred  Amount    `json:"ledger_credit" doc:"Sum of all credits"`
}

// MarketInfo is what everyone needs to take part: GET /v1/rules.
type MarketInfo struct {
	Rules    Rules     `json:"rules"`
	ChainID  uint64    `json:"chain_id" doc:"For TIP-712 domains"`
	Vault    Address   `json:"vault" doc:"Vault contract"`
	Token    Address   `json:"token" doc:"BTT contract"`
	Auditors []Address `json:"auditors" doc:"Auditors that sign cheques: the signers that a mandate should name. GET /v1/auditors has all that audit"`
	Quorum   int       `json:"quorum" doc:"Threshold that a mandate should set"`
	FeePayee Address   `json:"fee_payee" doc:"Who gets the market's fee"`
}

// A Torrent is a registered torrent, without its metainfo.
type Torrent struct {
	Infohash    Infohash  `json:"infohash"`
	Name        string    `json:"name"`
	Size        int64     `json:"size"`
	PieceLength int64     `json:"piece_length"`
	Pieces      int       `json:"pieces"`
	Files       int       `json:"files"`
	Private     bool      `json:"private"`
	AddedAt     time.Time `json:"added_at"`
}

// A Quote answers what a bounty would cost and get, before it is posted.
type Quote struct {
	WorstCase  Amount         `json:"worst_case" doc:"What would be reserved, fee included"`
	Fee        Amount         `json:"fee" doc:"Part of it that is fee"`
	Eligible   int            `json:"eligible" doc:"Offers that meet every constraint"`
	Fillable   int            `json:"fillable" doc:"Replicas that would be filled now"`
	BestAsk    Amount         `json:"best_ask" doc:"Cheapest eligible offer"`
	LastPrice  Amount         `json:"last_price" doc:"Last clearing price of this signature, or zero"`
	Without    map[string]int `json:"without,omitempty" doc:"Eligible offers without one constraint"`
	Sufficient bool           `json:"sufficient" doc:"The caller's free money and mandate would do"`
}

// An AuditEpoch is what auditors work from, and what anyone can check them against.
type AuditEpoch struct {
	Epoch    int64     `json:"epoch"`
	Block    int64     `json:"block" doc:"First solid block of the epoch"`
	Hash     Hash      `json:"hash" doc:"Its id"`
	Commit   Hash      `json:"commit" doc:"SHA-256 of the secret, known before the block"`
	Secret   Hash      `json:"secret,omitzero" doc:"Shown when the epoch is over"`
	Auditors []Seat    `json:"auditors" doc:"The panel, as it was named before the block was known"`
	NamedAt  time.Time `json:"named_at,omitzero" doc:"When the panel was named"`
	Leases   []Lease   `json:"leases" doc:"Leases to audit, as they stood when the epoch opened"`
	OpenedAt time.Time `json:"opened_at"`
	ClosedAt time.Time `json:"closed_at,omitzero" doc:"Since when no reports are taken, and all can be read"`

	Parts []Part `json:"parts,omitempty" doc:"What the caller has to do, while the epoch lasts and it is on the panel: its own parts alone"`

	PromisedAt time.Time `json:"promised_at,omitzero" doc:"When the commit was published"`
	Next       *Promise  `json:"next,omitempty" doc:"What is promised for the epoch after"`

	CanarySeal Hash     `json:"canary_seal,omitzero" doc:"SHA-256 of the epoch's canaries and a salt"`
	CanarySalt Hash     `json:"canary_salt,omitzero" doc:"The salt, when the seal is open"`
	Canaries   []Canary `json:"canaries,omitempty" doc:"Leases whose state the market knew, likewise"`
}

// Lease returns a lease as it stood when the epoch opened.
func (e AuditEpoch) Lease(id int64) (Lease, bool) {
	i := slices.IndexFunc(e.Leases, func(l Lease) bool { return l.ID == id })
	if i < 0 {
		return Lease{}, false
	}
	return e.Leases[i], true
}

// Seats says whether an auditor is on the panel.
func (e AuditEpoch) Seats(who Address) bool {
	return slices.ContainsFunc(e.Auditors, func(s Seat) bool { return s.Auditor == who })
}

// A Draft is an owed cheque with what it is for, so that a signer can recompute it.
type Draft struct {
	SignedCheque
	Leases []Lease `json:"leases" doc:"Every lease that this payee was ever paid for under it"`
	Proofs []Proof `json:"proofs" doc:"Every paid proof of them that is newer than the last cheque"`
	Before Amount  `json:"before" doc:"Cumulative of the newest signed cheque before it"`
}
