package marketplace

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// OfferTerms are what an agent sells: the body of PUT /v1/offer.
type OfferTerms struct {
	Storage    int64      `json:"storage" doc:"Bytes for sale, those under lease included"`
	UploadRate int64      `json:"upload_rate" doc:"Bytes/s"`
	LeasesMax  int        `json:"leases_max" doc:"Most leases at a time"`
	PriceMin   Amount     `json:"price_min" doc:"Least BTT per GiB-day"`
	TermMin    Span       `json:"term_min,omitempty" doc:"Shortest term"`
	TermMax    Span       `json:"term_max" doc:"Longest term"`
	TorrentMax int64      `json:"torrent_max" doc:"Largest torrent, bytes"`
	Region     string     `json:"region"`
	Peer       string     `json:"peer,omitempty" doc:"Address for BitTorrent peers, ip:port; left out: nobody can connect, the agent comes when one knocks. Shown to the agent alone"`
	Carry      bool       `json:"carry,omitempty" doc:"Auditors' visits to other agents may come by its line"`
	Payee      Address    `json:"payee" doc:"Who is paid; a cold address is best"`
	DenyPoster []Address  `json:"deny_posters,omitempty"`
	DenyHash   []Infohash `json:"deny_infohashes,omitempty"`
	Held       []Infohash `json:"held,omitempty" doc:"Torrents the agent already holds whole"`
}

// listMax bounds every list of an offer.
const listMax = 10_000

// Check returns every breach of the rules, joined.
func (t OfferTerms) Check(r Rules) error {
	var errs []error
	refuse := func(bad bool, name, format string, args ...any) {
		if bad {
			errs = append(errs, field(name, format, args...))
		}
	}
	refuse(t.Storage < r.BilledMin, "storage", "is %d bytes; at least %d", t.Storage, r.BilledMin)
	refuse(t.Storage > 1<<50, "storage", "is more than a pebibyte")
	refuse(t.UploadRate < 1, "upload_rate", "must be at least 1 byte/s")
	refuse(t.LeasesMax < 1 || t.LeasesMax > 100_000, "leases_max", "must be 1 to 100000")
	refuse(!t.PriceMin.OnTick(), "price_min", "is %s; prices step by %s BTT", t.PriceMin, Tick)
	refuse(t.PriceMin.Cmp(PriceCeiling) > 0, "price_min", "is %s BTT; at most %s", t.PriceMin,
		PriceCeiling)
	refuse(t.TermMax <= 0 || t.TermMin > t.TermMax, "term_max", "is below term_min or zero")
	refuse(t.TorrentMax < 1 || t.TorrentMax > ReplicaBytesMax, "torrent_max",
		"must be 1 to %d bytes", int64(ReplicaBytesMax))
	refuse(!slices.Contains(Regions, t.Region), "region", "is %q; known are %q", t.Region, Regions)
	refuse(t.Payee.IsZero(), "payee", "is missing")
	refuse(max(len(t.DenyPoster), len(t.DenyHash), len(t.Held)) > listMax, "lists",
		"have more than %d entries", listMax)
	if _, err := t.PeerAddr(); err != nil && t.Peer != "" {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// PeerAddr reads Peer, which must be an IP address with a port: names would let an agent move
// after the diversity rule looked. Port 0 means that nobody can connect to the agent.
func (t OfferTerms) PeerAddr() (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(t.Peer)
	if err != nil {
		return ap, field("peer", "is %.60q; it must be ip:port as the internet sees it", t.Peer)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// SeenFrom fills in where an agent is that nobody can connect to. No audit ever proves such an
// address, so what the agent says of itself does not count: its network is the one that it speaks
// to the market from.
func (t OfferTerms) SeenFrom(ip netip.Addr) OfferTerms {
	if ap, err := t.PeerAddr(); t.Peer == "" || err == nil && ap.Port() == 0 {
		t.Peer = netip.AddrPortFrom(ip.Unmap(), 0).String()
	}
	return t
}

// Network returns the prefix that replicas of one bounty must not share.
func (r Rules) Network(ip netip.Addr) netip.Prefix {
	bits := r.NetworkPrefix6
	if ip.Is4() {
		bits = r.NetworkPrefix4
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		panic(err) // the prefix lengths are constants of the rules
	}
	return p
}

// An Offer is an agent's standing capacity. An agent has one.
type Offer struct {
	ID       int64      `json:"id"`
	Agent    Address    `json:"agent"`
	Terms    OfferTerms `json:"terms"`
	State    OfferState `json:"state"`
	Standing Standing   `json:"standing"`
	Outlook  *Outlook   `json:"outlook,omitempty" doc:"Scores and warnings, from its first audit on"`
	Used     int64      `json:"used" doc:"Bytes under live leases"`
	Leases   int        `json:"leases" doc:"Live leases"`
	Together []Partner  `json:"together,omitempty" doc:"Agents that miss epochs when it does, most first"`
	PostedAt time.Time  `json:"posted_at" doc:"Last change that lost priority"`
	SeenAt   time.Time  `json:"seen_at" doc:"Last sign of life"`
	Reason   string     `json:"reason,omitempty" doc:"Why it got nothing in the last call"`
}

// A Lease is one agent's duty towards one bounty.
type Lease struct {
	ID         int64      `json:"id"`
	Bounty     int64      `json:"bounty"`
	Offer      int64      `json:"offer"`
	Call       int64      `json:"call"`
	Poster     Address    `json:"poster"`
	Mandate    Hash       `json:"mandate" doc:"The poster's"`
	Funders    Funders    `json:"funders" doc:"Who pays, each pro rata to its pledge"`
	Agent      Address    `json:"agent"`
	Payee      Address    `json:"payee"`
	Peer       string     `json:"peer,omitempty" doc:"Where the agent serves, ip:port; port 0: it comes when one knocks. Shown to who goes there alone: the agent, agents with a lease on the same torrent, carriers of visits, and in a running epoch the auditors drawn for it"`
	Infohash   Infohash   `json:"infohash"`
	Size       int64      `json:"size"`
	Billed     int64      `json:"billed"`
	Price      Amount     `json:"price" doc:"BTT per GiB-day, the call's clearing price"`
	State      LeaseState `json:"state"`
	Cause      Cause      `json:"cause,omitempty" doc:"Why it is in grace or over, in one word"`
	Reason     string     `json:"reason,omitempty" doc:"The same for people"`
	ReservedAt time.Time  `json:"reserved_at"`
	Deadline   time.Time  `json:"deadline,omitzero" doc:"The present state must be left by then"`
	ActiveAt   time.Time  `json:"active_at,omitzero" doc:"End of the first epoch that it passed with its root believed"`
	EndsAt     time.Time  `json:"ends_at,omitzero"`
	EndedAt    time.Time  `json:"ended_at,omitzero"`
	KeepFor    Span       `json:"keep_for"`
	Verified   int64      `json:"verified" doc:"Seconds proven and paid"`
	Earned     Amount     `json:"earned" doc:"BTT for them, held back part included"`
	Held       Amount     `json:"held" doc:"BTT held back until the end"`
	Passed     int        `json:"passed" doc:"Epochs passed"`
	Missed     int        `json:"missed" doc:"Epochs failed"`

	Audited int   `json:"audited" doc:"Epochs with an auditor's report"`
	Wire    int64 `json:"wire" doc:"Bytes on the wire, both ways, that those audits took"`

	Dropping      bool  `json:"dropping,omitempty" doc:"In grace and forecast to miss again: another agent is called"`
	Replaces      int64 `json:"replaces,omitzero" doc:"The lease whose replica it took over"`
	ReplacedAfter Span  `json:"replaced_after,omitzero" doc:"From the last passed epoch of that one to its own first"`

	Root     Hash `json:"root,omitzero" doc:"Merkle root of the torrent that its agent committed to"`
	Clean    int  `json:"clean,omitzero" doc:"Audits in a row that showed whole pieces to be of that root"`
	CleanMin int  `json:"clean_min,omitzero" doc:"As many are needed before the lease is active and paid; of a root that another lease has shown, one passed epoch is"`

	Accused *Accusation `json:"accused,omitempty" doc:"What one auditor alone said of it, the last time"`
}

// A Fill is what a call gives: one replica of a bounty to an offer at the clearing price.
type Fill struct {
	Bounty int64  `json:"bounty"`
	Offer  int64  `json:"offer"`
	Price  Amount `json:"price"`

	Replaces int64  `json:"replaces,omitzero" doc:"The lease that was lost, or is about to be"`
	Why      string `json:"why,omitempty" doc:"Why that one is replaced"`
}

// A Lost replica waits for another agent: its lease is over, or in grace and forecast to end so.
type Lost struct {
	Bounty   int64
	Lease    int64
	Dropping bool // still in grace
	Why      string
}

// A Call is one run of the matcher, replayable by anyone from its input. That has no addresses in it, only
// who shares a network with whom.
type Call struct {
	ID        int64     `json:"id"`
	Previous  Hash      `json:"previous" doc:"Hash of the call before"`
	Input     Hash      `json:"input" doc:"Hash of the frozen book"`
	Hash      Hash      `json:"hash" doc:"Hash of this call: previous, input and fills"`
	At        time.Time `json:"at"`
	Bounties  int       `json:"bounties" doc:"Bounties that took part"`
	Offers    int       `json:"offers" doc:"Offers that took part"`
	Fills     []Fill    `json:"fills"`
	Clearings []Price   `json:"clearings" doc:"Clearing price of each signature that traded"`
}

// A Price is what one signature cleared at in a call.
type Price struct {
	Signature string `json:"signature" doc:"Bucket, regions, least rate"`
	Price     Amount `json:"price" doc:"BTT per GiB-day"`
	Replicas  int    `json:"replicas"`
}
