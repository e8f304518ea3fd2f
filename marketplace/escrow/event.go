package escrow

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/everseed/everseed/marketplace"
)

// An EventKind says what happened to an account in the vault.
type EventKind string

// The kinds of events, and the fields of Event that each has besides Kind, Tx, Index and Account.
const (
	Deposited      EventKind = "deposited"       // Payer, Amount
	MandateOpened  EventKind = "mandate_opened"  // Mandate
	MandateRevoked EventKind = "mandate_revoked" // Mandate: Poster, ID, Expiry
	Redeemed       EventKind = "redeemed"        // Cheque, Amount
	Redirected     EventKind = "redirected"      // Cheque: From, Mandate, To; Amount, Recipient
	ThawStarted    EventKind = "thaw_started"    // Amount, Ends
	ThawCancelled  EventKind = "thaw_cancelled"  // nothing
	Withdrawn      EventKind = "withdrawn"       // Amount
)

// An Event is one change of an account in the vault. (Tx, Index) names it for ever.
type Event struct {
	Kind    EventKind
	Tx      marketplace.Hash
	Index   int                 // among the logs of Tx
	Account marketplace.Address // whose account in the vault
	Payer   marketplace.Address // who sent a deposit
	Amount  marketplace.Amount  // moved now, or thawing
	Mandate marketplace.Mandate // opened or revoked
	Cheque  marketplace.Cheque  // redeemed; Cumulative is everything paid on it so far
	Ends    time.Time           // of a thaw

	// Recipient got the Amount that the Redeemed before it in Tx books as paid to the payee.
	Recipient marketplace.Address
}

// names of the events in the contract.
var eventNames = map[string]EventKind{
	"Deposited": Deposited, "MandateOpened": MandateOpened, "MandateRevoked": MandateRevoked,
	"Redeemed": Redeemed, "Redirected": Redirected,
	"ThawStarted": ThawStarted, "ThawCancelled": ThawCancelled, "Withdrawn": Withdrawn,
}

// Events returns up to most solid blocks from one number on, each with the vault's events. Fewer
// come back when the solid head is reached, none when it is not there yet. The blocks are a chain:
// the first one's Parent is the caller's to compare.
func (v *Vault) Events(ctx context.Context, from int64, most int) ([]Block, error) {
	head, err := v.SolidHead(ctx)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for number := from; number <= head.Number && len(blocks) < most; number++ {
		b, err := v.events(ctx, v.solid, number)
		if err != nil {
			return nil, fmt.Errorf("read block %d: %w", number, err)
		}
		if n := len(blocks); n > 0 && blocks[n-1].ID != b.Parent {
			return nil, marketplace.Unavailable.Errorf("block %d does not follow block %d: the"+
				" TRON nodes behind this address do not agree", number, number-1)
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func (v *Vault) events(ctx context.Context, from source, number int64) (Block, error) {
	b, transactions, err := v.block(ctx, from, number)
	if err != nil || transactions == 0 {
		return b, err
	}
	list, err := from.GetTransactionInfoByBlockNum(ctx, &api.NumberMessage{Num: number})
	if err != nil {
		return b, unreachable("ask for the block's transactions", err)
	}
	if n := len(list.GetTransactionInfo()); n != transactions {
		return b, marketplace.Unavailable.Errorf("TRON node knows %d of the block's %d transactions",
			n, transactions)
	}
	for _, info := range list.GetTransactionInfo() {
		if info.GetBlockNumber() != number {
			return b, marketplace.Unavailable.Errorf("TRON node gives a transaction of block %d",
				info.GetBlockNumber())
		}
		found, err := v.eventsOf(info)
		if err != nil {
			return b, err
		}
		b.Events = append(b.Events, found...)
	}
	return b, nil
}

// eventsOf returns the vault's events in a transaction that succeeded.
func (v *Vault) eventsOf(info *core.TransactionInfo) ([]Event, error) {
	if !succeeded(info) {
		return nil, nil
	}
	var found []Event
	for i, log := range info.GetLog() {
		at, err := marketplace.AddressFromBytes(log.GetAddress())
		if err != nil || at != v.config.Vault || len(log.GetTopics()) == 0 {
			continue
		}
		declared, err := vaultABI.EventByID(common.BytesToHash(log.GetTopics()[0]))
		if err != nil || eventNames[declared.Name] == "" {
			continue // an event of the admin
		}
		e := Event{Kind: eventNames[declared.Name], Index: i}
		copy(e.Tx[:], info.GetId())
		if err := e.read(*declared, log); err != nil {
			return nil, fmt.Errorf("read %s in %s: %w", declared.Name, e.Tx, err)
		}
		found = append(found, e)
	}
	return found, nil
}

// read fills the event from a log's topics and data.
func (e *Event) read(declared abi.Event, log *core.TransactionInfo_Log) error {
	var indexed abi.Arguments
	for _, in := range declared.Inputs {
		if in.Indexed {
			indexed = append(indexed, in)
		}
	}
	var topics []common.Hash
	for _, t := range log.GetTopics()[1:] {
		topics = append(topics, common.BytesToHash(t))
	}
	values := map[string]any{}
	if err := abi.ParseTopicsIntoMap(values, indexed, topics); err != nil {
		return err
	}
	if err := declared.Inputs.UnpackIntoMap(values, log.GetData()); err != nil {
		return err
	}
	return e.fill(fields(values))
}

// fill takes the fields by the names that they have in the contract.
func (e *Event) fill(f fields) (err error) {
	if amount, has := f["amount"]; has {
		if e.Amount, err = amountOf(amount); err != nil {
			return err
		}
	}
	switch e.Kind {
	case MandateOpened:
		e.Account = f.address("from")
		e.Mandate, err = f.mandate()
		return err
	case MandateRevoked:
		e.Account = f.address("from")
		e.Mandate = marketplace.Mandate{Poster: e.Account, ID: f.hash("mandate"),
			Expiry: timeOf(f["expiry"].(uint64))}
		return nil
	case Redeemed:
		e.Account, e.Cheque = f.address("from"), f.cheque()
		e.Cheque.Bytes = f["bytes_"].(uint64)
		e.Cheque.Cumulative, err = amountOf(f["cumulative"])
		return err
	case Redirected:
		e.Account, e.Cheque = f.address("from"), f.cheque()
		e.Recipient = f.address("recipient")
		return nil
	case Deposited:
		e.Payer = f.address("payer")
	case ThawStarted:
		e.Ends = timeOf(f["ends"].(uint64))
	}
	e.Account = f.address("account")
	return nil
}

// fields are an event's values by name. The decoder has checked their types against the ABI.
type fields map[string]any

func (f fields) address(name string) marketplace.Address {
	return marketplace.Address(f[name].(common.Address))
}

func (f fields) hash(name string) marketplace.Hash { return marketplace.Hash(f[name].([32]byte)) }

// cheque is who pays whom.
func (f fields) cheque() marketplace.Cheque {
	return marketplace.Cheque{From: f.address("from"), Mandate: f.hash("mandate"),
		To: f.address("to")}
}

func (f fields) mandate() (m marketplace.Mandate, err error) {
	m = marketplace.Mandate{Poster: f.address("from"), ID: f.hash("mandate"),
		Signers:   tronOf(f["signers"].([]common.Address)),
		Threshold: int(f["threshold"].(uint8)), Expiry: timeOf(f["expiry"].(uint64))}
	m.Cap, err = amountOf(f["cap"])
	return m, err
}
