package purse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A ClaimState is what can be done with a cheque now.
type ClaimState string

// The states of a claim.
const (
	Due      ClaimState = "due"       // can be redeemed now
	UnderWay ClaimState = "under_way" // an earlier run sent its transaction, and has not seen it solid
	Paid     ClaimState = "paid"      // all of it was paid
	Refused  ClaimState = "refused"   // not now; Cause and Why say what is missing
)

// A Claim is a cheque as the chain sees it.
type Claim struct {
	Held
	State ClaimState         `json:"claim"`
	Paid  marketplace.Amount `json:"paid" doc:"Paid before, on chain"`
	Due   marketplace.Amount `json:"due" doc:"What it says beyond that"`
	Pays  marketplace.Amount `json:"pays" doc:"What redeeming it pays now; less when the poster has less"`
	Fee   int64              `json:"fee" doc:"Sun that redeeming it burns, about"`
	Tx    string             `json:"redeem_tx,omitempty"`
	Cause escrow.Cause       `json:"cause,omitempty"`
	Why   string             `json:"why,omitempty"`
	Next  string             `json:"next,omitempty" doc:"Who must do what"`
}

// nextSteps say what the one who redeems can do.
var nextSteps = map[escrow.Cause]string{
	escrow.CauseUncovered: "The poster's account in the vault is empty. Try again after a deposit.",
	escrow.CauseCap: "Other cheques drew all that the mandate allows, and it cannot be raised." +
		" Nothing more comes on it.",
	escrow.CauseExpired: "The mandate is over. Nothing can be redeemed on it any more.",
	escrow.CauseTRX:     "Send TRX to the key that pays the fee, and run it again.",
	escrow.CauseEnergy:  "Run it again: the fee limit follows what it takes now.",
	escrow.CauseTime:    "The node gave up on it. Run it again, at another time.",
	escrow.CauseLie:     "Nothing was signed. Name another node with --tron.",
	escrow.CauseNode:    "Run it again when the node is back, or name another one with --tron.",
	escrow.CauseOther:   "Read the reason; nothing was lost but a fee at most.",
}

// Next says what the one who redeems can do about a cause.
func Next(c escrow.Cause) string { return nextSteps[c] }

// A Redeemer brings cheques to one vault.
type Redeemer struct {
	Vault *escrow.Vault
	Key   escrow.Key // pays the fee; need not be the payee's

	To    marketplace.Address // gets what is paid, if not the payee
	Payee escrow.Key          // signs for that
}

// Look asks the chain what a cheque would pay. What is wrong with the cheque itself is in the
// claim; an error says that the chain could not be asked.
func (r Redeemer) Look(ctx context.Context, h Held) (Claim, error) {
	c := Claim{Held: h}
	if err := r.checkPlace(ctx, h.Place); err != nil {
		return c, err
	}
	paid, err := r.Vault.Paid(ctx, h.Cheque.From, h.Cheque.Mandate, h.Cheque.To)
	if err != nil {
		return c, err
	}
	c.Paid, c.Due = paid, h.Cheque.Cumulative.SubFloor(paid)
	if tx, there, err := readNote(h.Note); err != nil || there {
		c.State, c.Tx, c.Fee = UnderWay, tx.ID, tx.Fee
		return c, err
	}
	if c.Due.IsZero() {
		c.State = Paid
		return c, nil
	}
	tx, pays, err := r.build(ctx, h, c.Due)
	c.State, c.Fee, c.Pays = Due, tx.Fee, pays
	return c.refusedBy(err)
}

// refusedBy sorts an error into the claim, unless it says that the chain could not be asked.
func (c Claim) refusedBy(err error) (Claim, error) {
	cause := escrow.CauseOf(err)
	switch {
	case err == nil:
	case cause == escrow.CauseNode:
		return c, err
	case cause == escrow.CauseNothing: // somebody was first, and it is not solid yet
		c.State, c.Pays = Paid, marketplace.Amount{}
	default:
		c.State, c.Pays = Refused, marketplace.Amount{}
		c.Cause, c.Why, c.Next = cause, err.Error(), nextSteps[cause]
	}
	return c, nil
}

// checkPlace holds what a market told of its vault against the vault itself.
func (r Redeemer) checkPlace(ctx context.Context, at Place) error {
	d, err := r.Vault.Domain(ctx) // refuses what is no vault, or one of another token
	if err != nil {
		return err
	}
	if at.ChainID != 0 && (d.ChainID != at.ChainID || d.Vault != at.Vault) {
		return marketplace.Conflict.Errorf("the cheque is for vault %s on chain %d; the node has vault"+
			" %s on chain %d", at.Vault, at.ChainID, d.Vault, d.ChainID)
	}
	return nil
}

// build stages the redemption of all that is due, or of what there is. It returns what that pays.
func (r Redeemer) build(ctx context.Context, h Held, due marketplace.Amount) (
	tx escrow.Staged, pays marketplace.Amount, err error) {
	if !r.To.IsZero() {
		tx, err = r.buildTo(ctx, h)
		return tx, due, err
	}
	tx, err = r.Vault.BuildRedeem(ctx, r.Key, h.Cheque, h.Signatures)
	if c := escrow.CauseOf(err); err == nil || c != escrow.CauseUncovered && c != escrow.CauseCap {
		return tx, due, err
	}
	tx, err = r.Vault.BuildRedeemUpTo(ctx, r.Key, h.Cheque, h.Signatures)
	if err != nil {
		return tx, pays, err
	}
	m, err := r.Vault.MandateOf(ctx, h.Cheque.From, h.Cheque.Mandate)
	if err != nil {
		return tx, pays, err
	}
	there, err := r.Vault.Balance(ctx, h.Cheque.From)
	return tx, least(due, there, m.Cap.SubFloor(m.Committed)), err
}

func least(first marketplace.Amount, more ...marketplace.Amount) marketplace.Amount {
	for _, a := range more {
		if a.Cmp(first) < 0 {
			first = a
		}
	}
	return first
}

func (r Redeemer) buildTo(ctx context.Context, h Held) (tx escrow.Staged, err error) {
	d, err := r.Vault.Domain(ctx)
	if err != nil {
		return tx, err
	}
	payout, err := r.Payee.SignPayout(d, h.Cheque, r.To)
	if err != nil {
		return tx, err
	}
	return r.Vault.BuildRedeemTo(ctx, r.Key, h.Cheque, h.Signatures, r.To, payout)
}

// Redeem brings a cheque to the vault and waits until that is solid. What an earlier run sent is
// waited for first. say is told what is under way.
func (r Redeemer) Redeem(ctx context.Context, h Held, say func(tx escrow.Staged)) (
	escrow.Receipt, error) {
	tx, resumed, err := readNote(h.Note)
	if err != nil {
		return escrow.Receipt{}, err
	}
	if !resumed {
		if tx, err = r.writeDown(ctx, h); err != nil {
			return escrow.Receipt{}, err
		}
	}
	say(tx)
	found, err := r.Vault.Await(ctx, tx, true)
	if !found.Outcome.Final() {
		return found, err // its note stays: the next run carries on with it
	}
	if gone := removeNote(h.Note); gone != nil {
		return found, errors.Join(err, gone)
	}
	if resumed && found.Outcome == escrow.Lapsed {
		return r.Redeem(ctx, h, say) // only now may another one be built
	}
	if found.Outcome == escrow.Reverted && found.Cause == escrow.CauseNothing {
		return found, nil // somebody else was first, and the payee has it
	}
	return found, err
}

// writeDown builds a transaction that can be paid for and stores it. When another run was first,
// its transaction is the one.
func (r Redeemer) writeDown(ctx context.Context, h Held) (escrow.Staged, error) {
	paid, err := r.Vault.Paid(ctx, h.Cheque.From, h.Cheque.Mandate, h.Cheque.To)
	if err != nil {
		return escrow.Staged{}, err
	}
	tx, _, err := r.build(ctx, h, h.Cheque.Cumulative.SubFloor(paid))
	if err != nil {
		return tx, err
	}
	if err := r.Vault.Afford(ctx, r.Key.Address(), tx.Fee); err != nil {
		return tx, err
	}
	text, err := json.MarshalIndent(tx, "", "  ")
	if err != nil {
		return tx, fmt.Errorf("encode transaction: %w", err)
	}
	err = WriteSynced(h.Note, text, os.Link)
	if errors.Is(err, os.ErrExist) {
		other, there, err := readNote(h.Note)
		if err == nil && !there {
			err = marketplace.Conflict.Errorf("another run redeemed it just now; look again")
		}
		return other, err
	}
	if err != nil {
		return tx, fmt.Errorf("write the transaction down: %w", err)
	}
	return tx, nil
}

func readNote(path string) (tx escrow.Staged, there bool, err error) {
	text, err := os.ReadFile(path) // #nosec G304 -- beside a cheque that the owner named
	if errors.Is(err, os.ErrNotExist) {
		return tx, false, nil
	}
	if err != nil {
		return tx, false, fmt.Errorf("read the transaction under way: %w", err)
	}
	if err := json.Unmarshal(text, &tx); err != nil {
		return tx, false, fmt.Errorf("read the transaction under way in %s: %w", path, err)
	}
	return tx, true, nil
}

func removeNote(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the transaction that is done: %w", err)
	}
	if err := syncFolder(path); err != nil {
		return fmt.Errorf("forget the transaction that is done: %w", err)
	}
	return nil
}
