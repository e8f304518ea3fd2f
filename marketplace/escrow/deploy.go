package escrow

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow/contract"
)

// deployFeeLimit bounds what a deployment burns: about 250 TRX at today's prices.
const deployFeeLimit = 1500 * Sun

// Deploy puts a vault on a chain, waits until it is in a block and returns its address with that of
// its token. If the configuration names no token, a mintable stand-in for BTT is deployed first.
// The key becomes the vault's admin, who can pause deposits and nothing else.
func Deploy(
	ctx context.Context, c Config, key Key, thaw time.Duration,
) (token, vault marketplace.Address, err error) {
	v, err := Dial(ctx, c)
	if err != nil {
		return token, vault, err
	}
	defer func() { _ = v.Close() }()
	seconds := int64(thaw / time.Second)
	if seconds < 1 || seconds > math.MaxUint32 {
		return token, vault, marketplace.Invalid.Errorf("a vault cannot thaw in %s", thaw)
	}
	if token = c.Token; token.IsZero() {
		if token, err = v.deploy(ctx, key, "TestBTT", contract.TestBTT()); err != nil {
			return token, vault, err
		}
	}
	// #nosec G115 -- bounded above
	args, err := vaultABI.Pack("", ethOf(token), uint32(seconds))
	if err != nil {
		return token, vault, fmt.Errorf("encode constructor: %w", err)
	}
	vault, err = v.deploy(ctx, key, "EverseedVault", contract.Vault(), args...)
	return token, vault, err
}

func (v *Vault) deploy(
	ctx context.Context, key Key, name string, c contract.Contract, args ...byte,
) (at marketplace.Address, err error) {
	s, err := v.buildDeploy(ctx, key, name, c, args)
	if err != nil {
		return at, fmt.Errorf("deploy %s: %w", name, err)
	}
	r, err := v.Await(ctx, s, false)
	if err != nil {
		return at, fmt.Errorf("deploy %s: %w", name, err)
	}
	if at = createdBy(s, key.Address()); r.Created != at {
		return at, marketplace.Conflict.Errorf("deploy %s: TRON node says it is at %s, not at %s",
			name, r.Created, at)
	}
	return at, nil
}

func (v *Vault) buildDeploy(
	ctx context.Context, key Key, name string, c contract.Contract, args []byte,
) (Staged, error) {
	owner := key.Address().Tron()
	described, err := describe(c.ABI)
	if err != nil {
		return Staged{}, err
	}
	asked := &core.CreateSmartContract{OwnerAddress: owner, NewContract: &core.SmartContract{
		OriginAddress: owner, Abi: described, Name: name,
		Bytecode:                   append(c.Bytecode, args...),
		ConsumeUserResourcePercent: 100, // callers pay for themselves
		OriginEnergyLimit:          1,
	}}
	made, err := v.full.DeployContract(ctx, asked)
	if err != nil {
		return Staged{}, unreachable("build deployment", err)
	}
	limit := int64(deployFeeLimit)
	return v.stage(ctx, key, asked, core.Transaction_Contract_CreateSmartContract, made, limit)
}

// createdBy returns the address that TRON gives a new contract.
func createdBy(s Staged, owner marketplace.Address) (a marketplace.Address) {
	id, _ := hex.DecodeString(s.ID) // of our own making
	hash := keccak(id, owner.Tron())
	copy(a[:], hash[12:])
	return a
}

// describe turns solc's ABI into TRON's, which explorers and wallets read from the chain.
func describe(text json.RawMessage) (*core.SmartContract_ABI, error) {
	type param struct {
		Name    string `json:"name"`
		Type    string `json:"type"`
		Indexed bool   `json:"indexed"`
	}
	var entries []struct {
		Type    string  `json:"type"`
		Name    string  `json:"name"`
		Inputs  []param `json:"inputs"`
		Outputs []param `json:"outputs"`
		State   string  `json:"stateMutability"`
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("read ABI: %w", err)
	}
	params := func(all []param) (out []*core.SmartContract_ABI_Entry_Param) {
		for _, p := range all {
			out = append(out, &core.SmartContract_ABI_Entry_Param{
				Name: p.Name, Type: p.Type, Indexed: p.Indexed})
		}
		return out
	}
	out := &core.SmartContract_ABI{}
	for _, e := range entries {
		out.Entrys = append(out.Entrys, &core.SmartContract_ABI_Entry{
			Name: e.Name, Inputs: params(e.Inputs), Outputs: params(e.Outputs),
			Type: entryTypes[e.Type], StateMutability: mutabilities[e.State]})
	}
	return out, nil
}

var entryTypes = map[string]core.SmartContract_ABI_Entry_EntryType{
	"constructor": core.SmartContract_ABI_Entry_Constructor,
	"function":    core.SmartContract_ABI_Entry_Function,
	"event":       core.SmartContract_ABI_Entry_Event,
	"error":       core.SmartContract_ABI_Entry_Error,
}

var mutabilities = map[string]core.SmartContract_ABI_Entry_StateMutabilityType{
	"pure":       core.SmartContract_ABI_Entry_Pure,
	"view":       core.SmartContract_ABI_Entry_View,
	"nonpayable": core.SmartContract_ABI_Entry_Nonpayable,
	"payable":    core.SmartContract_ABI_Entry_Payable,
}

// BuildMint stages the making of test tokens; the key must be the token's owner. It serves where
// Deploy made the token.
func (v *Vault) BuildMint(
	ctx context.Context, key Key, to marketplace.Address, amount marketplace.Amount,
) (Staged, error) {
	data := pack(tokenABI, "mint", ethOf(to), bigOf(amount))
	return v.stageCall(ctx, key, v.config.Token, data)
}
