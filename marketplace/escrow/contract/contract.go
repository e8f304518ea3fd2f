package contract

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

//go:embed EverseedVault.json
var vaultJSON []byte

//go:embed TestBTT.json
var testBTTJSON []byte

// A Contract is what the compiler made of one contract.
type Contract struct {
	Compiler string          // version and settings
	ABI      json.RawMessage // JSON as solc writes it
	Bytecode []byte          // creates the contract; constructor arguments follow it
	Deployed []byte          // what lies on chain, but for immutables
}

// Vault returns EverseedVault; its constructor takes (address token, uint32 thawSeconds).
func Vault() Contract { return mustRead("EverseedVault", vaultJSON) }

// TestBTT returns the stand-in for BTT; its constructor takes nothing.
func TestBTT() Contract { return mustRead("TestBTT", testBTTJSON) }

// mustRead panics on a bad file: it was compiled in.
func mustRead(name string, text []byte) Contract {
	c, err := read(text)
	if err != nil {
		panic(fmt.Sprintf("embedded %s.json: %v", name, err))
	}
	return c
}

func read(text []byte) (Contract, error) {
	var file struct {
		Compiler         string          `json:"compiler"`
		ABI              json.RawMessage `json:"abi"`
		Bytecode         string          `json:"bytecode"`
		DeployedBytecode string          `json:"deployedBytecode"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return Contract{}, fmt.Errorf("read contract: %w", err)
	}
	c := Contract{Compiler: file.Compiler, ABI: file.ABI}
	var err error
	if c.Bytecode, err = hex.DecodeString(file.Bytecode); err != nil {
		return c, fmt.Errorf("read bytecode: %w", err)
	}
	if c.Deployed, err = hex.DecodeString(file.DeployedBytecode); err != nil {
		return c, fmt.Errorf("read deployed bytecode: %w", err)
	}
	return c, nil
}
