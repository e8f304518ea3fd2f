package marketplace

import "testing"

func TestAChequeIsHeldAgainstItsProofs(t *testing.T) {
	t.Parallel()
	r, agent, fees := DefaultRules(), Address{1}, Address{2}
	payer := Funder{Poster: Address{3}, Mandate: Hash{3}, Pledged: BTT(10_000)}
	lease := func(id int64, state LeaseState) Lease {
		return Lease{ID: id, Payee: agent, Funders: Funders{payer}, Price: BTT(1000), Billed: 1 << 30, State: state}
	}
	proof := func(lease, seconds int64, v Verdict) Proof {
		return Proof{Lease: lease, Seconds: seconds, Verdict: v}
	}
	d := Draft{Leases: []Lease{lease(1, Active), lease(2, LeaseDone), lease(3, Failed),
		lease(4, Active)}, Proofs: []Proof{proof(1, 43200, VerdictPass), proof(1, 43200, VerdictPass),
		proof(2, 86400, VerdictPass), proof(3, 86400, VerdictPass), proof(4, 86400, VerdictFail)}}
	d.Cheque.From, d.Cheque.Mandate, d.Cheque.To = payer.Poster, payer.Mandate, agent
	if got := r.Owed(d, fees); got != BTT(750+1000+750) {
		t.Errorf("agent is owed %s", got)
	}
	d.Cheque.To = fees
	if got := r.Owed(d, fees); got != BTT(30) {
		t.Errorf("fee payee is owed %s", got)
	}
	// Two auditors of the second lease share half of its ten, three of the third; one is in both.
	one, two, three := PaidAuditor{Address{21}, Address{31}}, PaidAuditor{Address{22}, Address{32}},
		PaidAuditor{Address{23}, Address{31}}
	d.Proofs[2].Paid, d.Proofs[3].Paid = []PaidAuditor{one, two}, []PaidAuditor{one, two, three}
	third := BTT(5).MulDiv(1, 3)
	for to, want := range map[Address]Amount{
		{31}: MustAmount("2.5").Add(third).Add(third), {32}: MustAmount("2.5").Add(third),
		fees:  BTT(25).Sub(third).Sub(third).Sub(third),
		agent: BTT(750 + 1000 + 750), {21}: {},
	} {
		if d.Cheque.To = to; r.Owed(d, fees) != want {
			t.Errorf("%s is owed %s, want %s", to, r.Owed(d, fees), want)
		}
	}
}

// TestFundersOweTheirPartsOfAProof: parts of one proof that begins at 1 of a line of 1000.
func TestFundersOweTheirPartsOfAProof(t *testing.T) {
	t.Parallel()
	r, agent, fees := DefaultRules(), Address{1}, Address{2}
	payers := Funders{{Poster: Address{3}, Mandate: Hash{3}, Pledged: Units(700)},
		{Poster: Address{4}, Mandate: Hash{4}, Pledged: Units(300)}}
	d := Draft{Leases: []Lease{{ID: 1, Payee: agent, Funders: payers, Price: Units(200), Billed: 1 << 30,
		State: LeaseDone}}, Proofs: []Proof{{Lease: 1, Seconds: 86400, Verdict: VerdictPass,
		From: Units(1)}}}
	for i, want := range []struct{ pay, fee uint64 }{{140, 1}, {60, 1}} {
		d.Cheque.From, d.Cheque.Mandate = payers[i].Poster, payers[i].Mandate
		for to, want := range map[Address]uint64{agent: want.pay, fees: want.fee} {
			d.Cheque.To = to
			if got := r.Owed(d, fees); got != Units(want) {
				t.Errorf("funder %d owes %s units to %s, not %d", i, got.Units(), to, want)
			}
		}
	}
	d.Cheque.Mandate = Hash{9}
	if got := r.Owed(d, fees); !got.IsZero() {
		t.Errorf("a mandate that pledged nothing owes %s", got.Units())
	}
}
