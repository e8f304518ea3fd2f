package marketplace

import "testing"

func TestAChequeIsHeldAgainstItsProofs(t *testing.T) {
	t.Parallel()
	r, agent, fees := DefaultRules(), Address{1}, Address{2}
	lease := func(id int64, state LeaseState) Lease {
		return Lease{ID: id, Payee: agent, Price: BTT(1000), Billed: 1 << 30, State: state}
	}
	proof := func(lease, seconds int64, v Verdict) Proof {
		return Proof{Lease: lease, Seconds: seconds, Verdict: v}
	}
	d := Draft{Leases: []Lease{lease(1, Active), lease(2, LeaseDone), lease(3, Failed),
		lease(4, Active)}, Proofs: []Proof{proof(1, 43200, VerdictPass), proof(1, 43200, VerdictPass),
		proof(2, 86400, VerdictPass), proof(3, 86400, VerdictPass), proof(4, 86400, VerdictFail)}}
	d.Cheque.To = agent
	if got := r.Owed(d, fees); got != BTT(750+1000+750) {
		t.Errorf("agent is owed %s", got)
	}
	d.Cheque.To = fees
	if got := r.Owed(d, fees); got != BTT(30) {
		t.Errorf("fee payee is owed %s", got)
	}
}
