package escrow

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow/contract"
)

// vaultABI and tokenABI are read from what was compiled in. Of the token only TRC-20 is used, and
// minting on chains where the token is ours.
var (
	vaultABI = mustABI(contract.Vault())
	tokenABI = mustABI(contract.TestBTT())
)

func mustABI(c contract.Contract) abi.ABI {
	parsed, err := abi.JSON(bytes.NewReader(c.ABI))
	if err != nil {
		panic(fmt.Sprintf("embedded ABI: %v", err))
	}
	return parsed
}

// pack encodes a call. It panics on arguments that do not fit: no input can cause that.
func pack(a abi.ABI, method string, args ...any) []byte {
	data, err := a.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", method, err))
	}
	return data
}

// Amounts, addresses and times in the types of the ABI encoder, and back.

func bigOf(a marketplace.Amount) *big.Int {
	word := a.Bytes32()
	return new(big.Int).SetBytes(word[:])
}

func amountOf(v any) (marketplace.Amount, error) {
	n, ok := v.(*big.Int)
	if !ok || n.Sign() < 0 {
		return marketplace.Amount{}, fmt.Errorf("%v is no amount", v)
	}
	return marketplace.AmountFromBytes(n.Bytes())
}

func ethOf(a marketplace.Address) common.Address { return common.Address(a) }

func ethsOf(all []marketplace.Address) []common.Address {
	out := make([]common.Address, len(all))
	for i, a := range all {
		out[i] = ethOf(a)
	}
	return out
}

func tronOf(all []common.Address) []marketplace.Address {
	out := make([]marketplace.Address, len(all))
	for i, a := range all {
		out[i] = marketplace.Address(a)
	}
	return out
}

// secondsMax is the end of the year 9999: a later moment has no JSON form, and anyone may open
// a mandate that never ends.
const secondsMax = 253402300799

func timeOf(seconds uint64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(min(seconds, secondsMax)), 0).UTC() // #nosec G115 -- bounded
}

// A revert is what a contract says when it refuses.
type revert struct {
	name string // of the custom error, when it has one
	text string
}

// readRevert decodes the bytes that a reverted call leaves: one of our errors, Error(string),
// Panic(uint256), or something unknown.
func readRevert(data []byte) revert {
	if len(data) < 4 {
		return revert{text: "without a reason"}
	}
	for _, a := range []abi.ABI{vaultABI, tokenABI} {
		e, err := a.ErrorByID([4]byte(data))
		if err != nil {
			continue
		}
		args, err := e.Inputs.Unpack(data[4:])
		if err != nil {
			break
		}
		return revert{e.Name, e.Name + "(" + words(e.Inputs, args) + ")"}
	}
	if reason, err := abi.UnpackRevert(data); err == nil {
		return revert{text: reason}
	}
	return revert{text: "0x" + hex.EncodeToString(data[:min(len(data), 68)])}
}

// words writes what an error says for people: the contracts' numbers of 256 bits are amounts, those
// of 64 bits are times.
func words(inputs abi.Arguments, args []any) string {
	var all []string
	for i, arg := range args {
		text := fmt.Sprint(arg)
		switch v := arg.(type) {
		case common.Address:
			text = marketplace.Address(v).String()
		case *big.Int:
			if a, err := marketplace.ParseUnits(v.String()); err == nil {
				text = a.String() + " BTT"
			}
		case uint64:
			text = time.Unix(int64(min(v, math.MaxInt32)), 0).UTC().Format(time.RFC3339) // #nosec G115 -- the min
		}
		all = append(all, inputs[i].Name+" "+text)
	}
	return strings.Join(all, ", ")
}

// kind sorts a refusal by what the caller can do about it.
func (r revert) kind() marketplace.Kind {
	switch r.name {
	case "OverBalance", "OverCap",
		"TRC20InsufficientBalance", "TRC20InsufficientAllowance":
		return marketplace.Insufficient
	default:
		return marketplace.Conflict
	}
}
