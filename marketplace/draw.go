package marketplace

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// A Seat is an auditor's place on the panel of an epoch.
type Seat struct {
	Auditor  Address `json:"auditor"`
	Capacity int     `json:"capacity" doc:"Leases that it looks at in the epoch, at most"`
	Payee    Address `json:"payee" doc:"Who gets its part of the fee"`
	Signs    bool    `json:"signs" doc:"Signs cheques too: mandates name it"`
}

// SignersPanel seats auditors that all sign cheques, look at whatever is asked of them and are paid
// themselves.
func SignersPanel(who []Address) []Seat {
	seats := make([]Seat, len(who))
	for i, a := range who {
		seats[i] = Seat{Auditor: a, Capacity: CapacityMax, Payee: a, Signs: true}
	}
	return seats
}

// Seed returns the source of chance for an epoch: nobody who picks the secret knows the block yet,
// and nobody who makes the block knows the secret.
func (e AuditEpoch) Seed() (seed Hash) {
	h := sha256.New()
	h.Write([]byte("audit"))
	h.Write(number(e.Epoch))
	h.Write(e.Secret[:])
	h.Write(e.Hash[:])
	h.Sum(seed[:0])
	return seed
}

// MAC returns the HMAC-SHA-256 under h of a label and some parts: what is drawn from a seed.
func (h Hash) MAC(label string, parts ...[]byte) (sum Hash) {
	m := hmac.New(sha256.New, h[:])
	m.Write([]byte(label))
	for _, p := range parts {
		m.Write(p)
	}
	m.Sum(sum[:0])
	return sum
}

func number(n int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n)) // #nosec G115 -- bits of it
}

// Draw says which auditors look at each lease of an epoch. It follows from the public epoch alone,
// whatever the order of its lists.
//
// Every lease ranks the panel by MAC(seed, "auditor" ‖ lease ‖ auditor) and takes the first
// r.Auditors of it. All of the panel are equally likely: a large capacity buys no say. Of these at
// most one is an auditor that does not sign cheques, and there is one as long as any has capacity
// left; so a pass, which takes r.AuditQuorum, always has a signer's word in it, whomever the
// operator admits.
//
// Leases have their turns by MAC(seed, "turn" ‖ lease). An auditor whose capacity is used up is
// passed over, and so is one that would be missing later: where the leases still to come need
// whoever has capacity for all of them, few others are taken (a Gale–Ryser condition, see bound).
// So every lease gets its full number whenever any assignment could give it to all. Where none
// could, all get fewer, down to the quorum; then the last in turn get none: what cannot pass is
// not looked at, and nobody is blamed. A lease that is to hear others than its accuser may have one
// less ([Lease.Asks]).
//
// While every capacity is at least the number of leases, the draw of a lease follows from seed,
// panel and lease alone, so nobody changes it by adding leases. Where capacity is short, whoever
// knows the seed before the leases are frozen (the operator) can use up an auditor by leases whose
// turn comes earlier; it cannot choose which leases these are, for their numbers are given.
func (r Rules) Draw(e AuditEpoch) map[int64][]Address {
	d := newDrawing(e)
	k, n := d.howMany(r)
	with := d.outsiders(r, n)
	drawn := make(map[int64][]Address, n)
	for _, lease := range d.turns[:with] {
		d.take(d.others, lease, 1, nil, drawn)
	}
	// Leases without an outsider need more signers, so they go first: bounds needs that.
	for i, lease := range slices.Concat(d.turns[with:n], d.turns[:with]) {
		d.take(d.signers, lease, k-len(drawn[lease]), d.wants(k, n-with, with, i), drawn)
	}
	return drawn
}

// A drawing is an epoch whose auditors are drawn.
type drawing struct {
	seed            Hash
	turns           []int64 // leases, in their turn
	leases          map[int64]Lease
	signers, others []place
}

// A place is a seat with what is left of its capacity.
type place struct {
	who  Address
	left int
}

func newDrawing(e AuditEpoch) *drawing {
	d := &drawing{seed: e.Seed(), leases: map[int64]Lease{}}
	for _, l := range e.Leases {
		d.turns, d.leases[l.ID] = append(d.turns, l.ID), l
	}
	sortByMAC(d.turns, func(id int64) Hash { return d.seed.MAC("turn", number(id)) }, number)
	for _, s := range e.Auditors {
		p := place{s.Auditor, max(0, min(s.Capacity, len(d.turns)))}
		if s.Signs {
			d.signers = append(d.signers, p)
		} else {
			d.others = append(d.others, p)
		}
	}
	return d
}

// sortByMAC sorts by what key draws; equal ones, which never happen, go by name.
func sortByMAC[T any](all []T, key func(T) Hash, name func(T) []byte) {
	type keyed struct {
		v   T
		key Hash
	}
	rows := make([]keyed, len(all))
	for i, v := range all {
		rows[i] = keyed{v, key(v)}
	}
	slices.SortFunc(rows, func(x, y keyed) int {
		return cmp.Or(bytes.Compare(x.key[:], y.key[:]), bytes.Compare(name(x.v), name(y.v)))
	})
	for i, row := range rows {
		all[i] = row.v
	}
}

// upTo is how many visits to so many leases some auditors can make together.
func upTo(all []place, leases int) (sum int) {
	for _, p := range all {
		sum += min(p.left, leases)
	}
	return sum
}

// outsiders returns how many of so many leases an auditor looks at that does not sign.
func (d *drawing) outsiders(r Rules, leases int) int {
	if r.AuditQuorum < 2 || len(d.signers) == 0 {
		return 0 // a pass would have no signer's word in it
	}
	return min(leases, upTo(d.others, leases))
}

// howMany returns how many auditors the leases get, and how many leases get any.
func (d *drawing) howMany(r Rules) (k, leases int) {
	for k = r.Auditors; k > r.AuditQuorum; k-- {
		if d.suffice(r, k, len(d.turns)) {
			return k, len(d.turns)
		}
	}
	for leases = len(d.turns); !d.suffice(r, k, leases); {
		leases--
	}
	return k, leases
}

// suffice says whether the signers have capacity for what so many leases ask of them.
func (d *drawing) suffice(r Rules, k, leases int) bool {
	with := d.outsiders(r, leases)
	rest := d.wants(k, leases-with, with, 0)
	return !slices.ContainsFunc(rest, func(b bound) bool { return upTo(d.signers, b.leases) < b.visits })
}

// A bound says how many visits of signers the next so many leases need, and the first of them.
type bound struct{ leases, visits, first int }

// wants returns what all leases from the ith on need, of which the first `without` have no outsider
// and the others have one.
//
// Signers with these capacities left can be given to leases with these needs, no one twice to the
// same, if and only if for every t the min(left, t) of all signers add up to what the t neediest
// leases need (Gale and Ryser). Needs have two sizes and the larger ones come first, so that it
// suffices to look at the ends of both.
func (d *drawing) wants(k, without, with, i int) []bound {
	lone, company := min(k, len(d.signers)), min(k-1, len(d.signers))
	if i < without {
		left := without - i
		return []bound{{left, lone * left, lone}, {left + with, lone*left + company*with, lone}}
	}
	left := without + with - i
	return []bound{{left, company * left, company}}
}

// take gives a lease the first auditors of its rank that can be spared.
func (d *drawing) take(from []place, lease int64, want int, rest []bound,
	drawn map[int64][]Address) {
	// Taking one who could look at all leases of a bound costs it nothing that it would not lose
	// anyway; the others it can spare only so often.
	spare := make([]int, len(rest))
	for i, b := range rest {
		spare[i] = b.first + upTo(from, b.leases) - b.visits
		for _, p := range from {
			if p.left >= b.leases {
				spare[i]--
			}
		}
	}
	order := make([]*place, len(from))
	for i := range from {
		order[i] = &from[i]
	}
	sortByMAC(order, func(p *place) Hash {
		return d.seed.MAC("auditor", number(lease), p.who[:])
	}, func(p *place) []byte { return p.who[:] })
	for _, p := range order {
		if want == 0 || !d.leases[lease].Asks(p.who) || !p.spared(rest, spare) {
			continue
		}
		p.left--
		want--
		drawn[lease] = append(drawn[lease], p.who)
	}
}

// spared says whether an auditor can be taken, and counts it off.
func (p *place) spared(rest []bound, spare []int) bool {
	if p.left == 0 {
		return false
	}
	for i, b := range rest {
		if p.left < b.leases && spare[i] == 0 {
			return false
		}
	}
	for i, b := range rest {
		if p.left < b.leases {
			spare[i]--
		}
	}
	return true
}
