package escrow

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/everseed/everseed/marketplace"
)

// An Outcome is how far a staged transaction has come.
type Outcome string

// The outcomes. Confirmed, Reverted and Lapsed are final.
const (
	Pending   Outcome = "pending"   // not in a block that we know; send it again
	Included  Outcome = "included"  // in a block that may still be taken back
	Confirmed Outcome = "confirmed" // in a solid block, and it did what it should
	Reverted  Outcome = "reverted"  // in a solid block, and it did nothing but cost its fee
	Lapsed    Outcome = "lapsed"    // in no solid block, and too old to come into one
)

// Final says whether nothing can change any more.
func (o Outcome) Final() bool { return o == Confirmed || o == Reverted || o == Lapsed }

// A Receipt is what is known of a staged transaction.
type Receipt struct {
	Outcome Outcome
	Block   int64     // zero while in none
	At      time.Time // of that block
	Fee     int64     // sun burnt
	Reason  string    // why it reverted
	Cause   Cause     // of that
	Created marketplace.Address
}

// Outcome asks how far a transaction has come. Only solid blocks decide it.
//
// A block takes a transaction only if its parent is older than the expiration. So when the solid
// head is not older than that, every block that could hold the transaction is solid, and one that
// is not found there will never be. The head must be read before the search: a block that becomes
// solid in between could hold it. And since a node that knows less than the one that told the head
// would not find it either, Lapsed is said only when the blocks themselves were read.
func (v *Vault) Outcome(ctx context.Context, s Staged) (Receipt, error) {
	head, err := v.SolidHead(ctx)
	if err != nil {
		return Receipt{}, err
	}
	raw, err := hex.DecodeString(s.ID)
	if err != nil || len(raw) != 32 {
		return Receipt{}, marketplace.Invalid.Errorf("%q is no transaction id", s.ID)
	}
	id := &api.BytesMessage{Value: raw}
	info, err := v.solid.GetTransactionInfoById(ctx, id)
	if err != nil {
		return Receipt{}, unreachable("look for transaction "+s.ID, err)
	}
	if found(info, raw) {
		return receiptOf(info), nil
	}
	info, err = v.full.GetTransactionInfoById(ctx, id)
	if err != nil {
		return Receipt{}, unreachable("look for transaction "+s.ID, err)
	}
	if found(info, raw) {
		r := receiptOf(info)
		r.Outcome = Included
		return r, nil
	}
	if head.Time.Before(s.Expires) {
		return Receipt{Outcome: Pending}, nil
	}
	if err := v.provenAbsent(ctx, s, head); err != nil {
		return Receipt{}, fmt.Errorf("look for transaction %s: %w", s.ID, err)
	}
	return Receipt{Outcome: Lapsed}, nil
}

// found says whether a node knows the transaction: one it does not know comes back empty.
func found(info *core.TransactionInfo, id []byte) bool {
	return string(info.GetId()) == string(id) && info.GetBlockNumber() > 0
}

func receiptOf(info *core.TransactionInfo) Receipt {
	r := Receipt{Outcome: Confirmed, Block: info.GetBlockNumber(), Fee: info.GetFee(),
		At: time.UnixMilli(info.GetBlockTimeStamp()).UTC()}
	if at, err := marketplace.AddressFromBytes(info.GetContractAddress()); err == nil {
		r.Created = at
	}
	result := info.GetReceipt().GetResult()
	if succeeded(info) {
		return r
	}
	r.Outcome = Reverted
	var data []byte
	if all := info.GetContractResult(); len(all) > 0 {
		data = all[0]
	}
	r.Reason, r.Cause = result.String(), failures[result]
	if r.Cause == "" {
		r.Cause = CauseOther
	}
	if result == core.Transaction_Result_REVERT {
		why := readRevert(data)
		r.Reason, r.Cause = why.text, why.cause()
	} else if text := info.GetResMessage(); len(text) > 0 {
		r.Reason = fmt.Sprintf("%s: %s", result, text)
	}
	return r
}

// failures are the causes of what can happen to a transaction outside its contract.
var failures = map[core.Transaction_ResultContractResult]Cause{
	core.Transaction_Result_OUT_OF_ENERGY: CauseEnergy,
	core.Transaction_Result_OUT_OF_TIME:   CauseTime,
}

// succeeded says whether an executed transaction did what it should. A transfer of TRX runs no
// contract and has the result DEFAULT.
func succeeded(info *core.TransactionInfo) bool {
	result := info.GetReceipt().GetResult()
	return info.GetResult() == core.TransactionInfo_SUCESS &&
		(result == core.Transaction_Result_SUCCESS || result == core.Transaction_Result_DEFAULT)
}

// Await sends a transaction until it is in a block, or if solid is asked for in a solid one. It
// returns an error when it reverted or lapsed; a node that does not answer is waited for. It is for
// a person who waits; a worker keeps the Staged and comes back.
func (v *Vault) Await(ctx context.Context, s Staged, solid bool) (Receipt, error) {
	const every = 500 * time.Millisecond
	wait := 20 * time.Millisecond
	for {
		r, err := v.Outcome(ctx, s)
		if err != nil && !errors.Is(err, marketplace.Unavailable) {
			return r, err
		}
		switch r.Outcome {
		case Confirmed:
			return r, nil
		case Included:
			if !solid && r.Reason == "" {
				return r, nil
			}
		case Reverted:
			return r, marketplace.Conflict.Errorf("transaction %s reverted: %s", s.ID, r.Reason)
		case Lapsed:
			return r, marketplace.Unavailable.Errorf("transaction %s lapsed: no block took it", s.ID)
		case Pending:
			err := v.Send(ctx, s)
			if err != nil && !errors.Is(err, marketplace.Unavailable) {
				return r, err
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return r, fmt.Errorf("wait for transaction %s: %w", s.ID, err)
		}
		wait = min(2*wait, every)
	}
}
