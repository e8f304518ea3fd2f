package escrow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/everseed/everseed/marketplace"
)

// A Staged transaction is signed and not yet sent. Store it before sending it: its bytes may be
// sent again any number of times, and until Outcome says Lapsed nothing else may be built for the
// same purpose.
type Staged struct {
	ID      string    `json:"id"`      // 64 hex digits
	Raw     []byte    `json:"raw"`     // what is sent
	Expires time.Time `json:"expires"` // no block after this moment can hold it
	FeeMax  int64     `json:"fee_max"` // sun it can burn at most on energy
	Fee     int64     `json:"fee"`     // sun it would burn on the head as it is
}

// lifeMax is the longest life that a node grants a transaction.
const lifeMax = 24 * time.Hour

// stageCall stages a call of a contract after trying it on the head, so that a call that would
// be refused costs nothing.
func (v *Vault) stageCall(
	ctx context.Context, key Key, to marketplace.Address, data []byte,
) (Staged, error) {
	from := key.Address()
	_, energy, err := call(ctx, v.full.TriggerConstantContract, from, to, data)
	if err != nil {
		return Staged{}, fmt.Errorf("try transaction: %w", err)
	}
	p, err := v.prices(ctx)
	if err != nil {
		return Staged{}, err
	}
	limit, err := v.feeLimit(energy, p.energy)
	if err != nil {
		return Staged{}, err
	}
	asked := &core.TriggerSmartContract{
		OwnerAddress: from.Tron(), ContractAddress: to.Tron(), Data: data,
	}
	made, err := v.full.TriggerContract(ctx, asked)
	if err != nil {
		return Staged{}, unreachable("build transaction", err)
	}
	s, err := v.stage(ctx, key, asked, core.Transaction_Contract_TriggerSmartContract, made, limit)
	s.Fee = energy*p.energy + (int64(len(s.Raw))+resultBytes)*p.net
	return s, err
}

// resultBytes are paid for besides a transaction's own, for its result.
const resultBytes = 64

// prices are what the chain burns, in sun.
type prices struct{ energy, net int64 } // of a unit of energy, of a byte

func (v *Vault) prices(ctx context.Context) (p prices, err error) {
	parameters, err := v.full.GetChainParameters(ctx, &api.EmptyMessage{})
	if err != nil {
		return p, unreachable("ask for the price of energy", err)
	}
	for _, parameter := range parameters.GetChainParameter() {
		switch parameter.GetKey() {
		case "getEnergyFee":
			p.energy = parameter.GetValue()
		case "getTransactionFee":
			p.net = parameter.GetValue()
		}
	}
	return p, nil
}

// FeeAtLeast returns a view of the same client whose transactions may burn that many sun at least,
// within the configured limit: for what ran out of energy with less. It lives as long as the
// client.
func (v *Vault) FeeAtLeast(sun int64) *Vault {
	view := &Vault{config: v.config, nodes: v.nodes, full: v.full, solid: v.solid, feeLeast: sun}
	view.domain.Store(v.domain.Load())
	return view
}

// FeeLimit returns how many sun one transaction may burn at most.
func (v *Vault) FeeLimit() int64 { return v.config.FeeLimit }

// feeLimit allows twice what a call would burn now, since the state it meets may be another one,
// and not less than what was found to be needed. It refuses a call beyond the configured limit.
func (v *Vault) feeLimit(energy, price int64) (int64, error) {
	switch {
	case energy <= 0 || price <= 0:
		return v.config.FeeLimit, nil
	case energy > v.config.FeeLimit/price:
		return 0, because(CauseEnergy, marketplace.Insufficient.Errorf("transaction would burn %d"+
			" energy at %d sun; the limit is %d TRX", energy, price, v.config.FeeLimit/Sun))
	default:
		return min(v.config.FeeLimit, max(Sun, 2*energy*price, v.feeLeast)), nil
	}
}

// stage signs what a node made, if it is what was asked.
func (v *Vault) stage(
	ctx context.Context, key Key, asked proto.Message,
	kind core.Transaction_Contract_ContractType, made *api.TransactionExtention, feeLimit int64,
) (Staged, error) {
	if code := made.GetResult().GetCode(); code != api.Return_SUCCESS {
		return Staged{}, refused("build transaction", made.GetResult())
	}
	raw := made.GetTransaction().GetRawData()
	if err := checkMade(raw, asked, kind, feeLimit); err != nil {
		return Staged{}, err
	}
	head, err := v.SolidHead(ctx)
	if err != nil {
		return Staged{}, err
	}
	tie(raw, head)
	raw.FeeLimit = feeLimit
	if v.config.Expires > 0 {
		raw.Expiration = min(raw.Expiration, raw.Timestamp+v.config.Expires.Milliseconds())
	}
	text, err := proto.Marshal(raw)
	if err != nil {
		return Staged{}, fmt.Errorf("encode transaction: %w", err)
	}
	id := sha256.Sum256(text)
	signature, err := key.sign(id)
	if err != nil {
		return Staged{}, err
	}
	signed, err := proto.Marshal(&core.Transaction{RawData: raw, Signature: [][]byte{signature[:]}})
	if err != nil {
		return Staged{}, fmt.Errorf("encode transaction: %w", err)
	}
	return Staged{ID: hex.EncodeToString(id[:]), Raw: signed, FeeMax: feeLimit,
		Expires: time.UnixMilli(raw.Expiration).UTC()}, nil
}

// checkMade compares a node's transaction with what was asked, field by field: a node that we do
// not own could otherwise have us sign anything. Only the times are its choice.
func checkMade(
	raw *core.TransactionRaw, asked proto.Message, kind core.Transaction_Contract_ContractType,
	feeLimit int64,
) error {
	differs := func(what string) error {
		return because(CauseLie, marketplace.Conflict.Errorf("TRON node made a transaction whose %s is"+
			" not what was asked; it was not signed", what))
	}
	if raw == nil || len(raw.Contract) != 1 || raw.Contract[0].GetType() != kind {
		return differs("contract type")
	}
	wrapped, err := anypb.New(asked)
	if err != nil {
		return fmt.Errorf("wrap contract: %w", err)
	}
	got := proto.Clone(asked)
	proto.Reset(got)
	if err := raw.Contract[0].GetParameter().UnmarshalTo(got); err != nil {
		return differs("contract type")
	}
	if what := difference(got, asked); what != "" {
		return differs(what)
	}
	if raw.FeeLimit != 0 && raw.FeeLimit != feeLimit {
		return differs("fee limit")
	}
	want := &core.TransactionRaw{
		RefBlockBytes: raw.RefBlockBytes, RefBlockHash: raw.RefBlockHash,
		RefBlockNum: raw.RefBlockNum, Expiration: raw.Expiration, Timestamp: raw.Timestamp,
		FeeLimit: raw.FeeLimit,
		Contract: []*core.Transaction_Contract{{Type: kind, Parameter: wrapped}},
	}
	if !proto.Equal(raw, want) {
		return differs("memo, permission or other field")
	}
	life := time.Duration(raw.Expiration-raw.Timestamp) * time.Millisecond
	if life <= 0 || life > lifeMax {
		return marketplace.Unavailable.Errorf("TRON node's transaction lives %s: its head is stale"+
			" or its clock is off", life)
	}
	return nil
}

// difference names the first field in which a contract differs from the one that was asked.
func difference(got, asked proto.Message) string {
	if a, ok := asked.(*core.TriggerSmartContract); ok {
		g := got.(*core.TriggerSmartContract)
		switch {
		case !bytes.Equal(g.OwnerAddress, a.OwnerAddress):
			return "owner"
		case !bytes.Equal(g.ContractAddress, a.ContractAddress):
			return "contract"
		case !bytes.Equal(g.Data, a.Data):
			return "data"
		case g.CallValue != a.CallValue || g.CallTokenValue != a.CallTokenValue:
			return "value"
		}
	}
	if !proto.Equal(got, asked) {
		return "content"
	}
	return ""
}

// Send hands a staged transaction to the node. Sending twice is sending once: a node that knows it
// already has done what was asked. An error says nothing about whether it arrived; ask Outcome.
func (v *Vault) Send(ctx context.Context, s Staged) error {
	tx := new(core.Transaction)
	if err := proto.Unmarshal(s.Raw, tx); err != nil {
		return fmt.Errorf("read staged transaction %s: %w", s.ID, err)
	}
	text, err := proto.Marshal(tx.GetRawData())
	if err != nil {
		return fmt.Errorf("encode staged transaction %s: %w", s.ID, err)
	}
	if id := sha256.Sum256(text); hex.EncodeToString(id[:]) != s.ID {
		return fmt.Errorf("staged transaction %s encodes as %x", s.ID, id)
	}
	result, err := v.full.BroadcastTransaction(ctx, tx)
	if err != nil {
		return unreachable("send transaction "+s.ID, err)
	}
	switch result.GetCode() {
	case api.Return_SUCCESS, api.Return_DUP_TRANSACTION_ERROR:
		return nil
	default:
		return refused("send transaction "+s.ID, result)
	}
}
