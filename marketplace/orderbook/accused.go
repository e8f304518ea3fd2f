package orderbook

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// accuse writes down what became of accusations: new ones with the pieces that they name, and
// those that were heard. What others did not find is counted against the accuser.
func (a *act) accuse(all []*hearing) error {
	for _, h := range all {
		was, is := h.lease.Accused, h.ruling.Accused
		h.lease.Accused = is
		var err error
		switch {
		case h.proof.Verdict == marketplace.VerdictAccused:
			err = a.openHearing(h)
		case was.Waits() && h.proof.Verdict == marketplace.VerdictDataFault:
			err = a.closeHearing(h, marketplace.Confirmed)
		case was.Waits() && !is.Waits():
			err = a.closeHearing(h, marketplace.Refuted)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *act) openHearing(h *hearing) error {
	scan := func(row pgx.CollectableRow) (r marketplace.Report, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return r, err
		}
		return r, json.Unmarshal(body, &r)
	}
	of := h.lease.Accused
	said, err := one(a.ctx, a.Tx, "report", scan, `SELECT body FROM reports
		WHERE lease = $1 AND epoch = $2 AND auditor = $3`, h.lease.ID, of.Epoch, of.Auditor)
	if err != nil {
		return err
	}
	of.Pieces, h.proof.Accuser = append([]int{}, said.Wrong()...), of.Auditor
	if _, err := a.exec(`INSERT INTO hearings (lease, epoch, auditor, outcome)
		VALUES ($1, $2, $3, 'waits')`, h.lease.ID, of.Epoch, of.Auditor); err != nil {
		return fmt.Errorf("open hearing: %w", err)
	}
	return nil
}

func (a *act) closeHearing(h *hearing, outcome marketplace.HearingOutcome) error {
	of := h.lease.Accused
	if _, err := a.exec(`UPDATE hearings SET heard = $3, outcome = $4 WHERE lease = $1 AND epoch = $2`,
		h.lease.ID, of.Epoch, h.proof.Epoch, string(outcome)); err != nil {
		return fmt.Errorf("close hearing: %w", err)
	}
	h.proof.Hearing = &marketplace.Hearing{Epoch: of.Epoch, Auditor: of.Auditor, Outcome: outcome}
	a.happened("lease."+string(outcome), h.lease.ID, h.lease, append(concerned(h.lease),
		h.lease.Accused.Auditor)...)
	return nil
}
