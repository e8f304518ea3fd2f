package devchain

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"
)

// A world keeps accounts, code and storage in memory, as they were after each of the newest
// blocks. A state is the root of a tree that shares with the others what is the same, so opening
// one costs nothing and forgetting one frees only what it alone had.
type world struct {
	tries  *triedb.Database
	states state.Database
	laws   laws
}

// laws are the EVM's rules that the chain keeps to. They are read only.
type laws struct {
	config      *params.ChainConfig
	rules       params.Rules
	precompiles vm.PrecompiledContracts
	warm        []common.Address // addresses of the precompiles
}

func newWorld(chainID uint64) *world {
	tries := triedb.NewDatabase(rawdb.NewMemoryDatabase(), triedb.HashDefaults)
	return &world{tries: tries, states: state.NewDatabase(tries, nil), laws: newLaws(chainID)}
}

// newLaws returns Cancun's, with TRON's ecrecover.
func newLaws(chainID uint64) laws {
	zero := uint64(0)
	l := laws{config: &params.ChainConfig{
		ChainID: new(big.Int).SetUint64(chainID), HomesteadBlock: new(big.Int),
		EIP150Block: new(big.Int), EIP155Block: new(big.Int), EIP158Block: new(big.Int),
		ByzantiumBlock: new(big.Int), ConstantinopleBlock: new(big.Int),
		PetersburgBlock: new(big.Int), IstanbulBlock: new(big.Int), BerlinBlock: new(big.Int),
		LondonBlock: new(big.Int), MergeNetsplitBlock: new(big.Int),
		TerminalTotalDifficulty: new(big.Int), ShanghaiTime: &zero, CancunTime: &zero,
	}}
	l.rules = l.config.Rules(new(big.Int), true, 0)
	l.warm = vm.ActivePrecompiles(l.rules)
	l.precompiles = vm.ActivePrecompiledContracts(l.rules)
	one := common.BytesToAddress([]byte{1})
	l.precompiles[one] = tronRecover{l.precompiles[one]}
	return l
}

// tronRecover is ecrecover as TRON answers it: the address with its prefix, 21 bytes in the word.
// A contract that does not mask them away works on Ethereum and fails there.
type tronRecover struct{ vm.PrecompiledContract }

func (t tronRecover) Run(input []byte) ([]byte, error) {
	word, err := t.PrecompiledContract.Run(input)
	if len(word) == 32 {
		word[11] = addressPrefix
	}
	return word, err
}

// open returns a state that the caller may change without anyone seeing it.
func (w *world) open(root common.Hash) (*state.StateDB, error) {
	db, err := state.New(root, w.states)
	if err != nil {
		return nil, fmt.Errorf("open state %x: %w", root, err)
	}
	return db, nil
}

// commit makes a changed state one that can be opened.
func (w *world) commit(db *state.StateDB, number int64) (common.Hash, error) {
	root, err := db.Commit(w.laws.rules, uint64(number)) // #nosec G115 -- counts from zero
	if err != nil {
		return common.Hash{}, fmt.Errorf("commit state of block %d: %w", number, err)
	}
	return root, nil
}

// hold keeps a state until it is released as often as it was held.
func (w *world) hold(root common.Hash) {
	if root != types.EmptyRootHash {
		must(w.tries.Reference(root, common.Hash{}))
	}
}

func (w *world) release(root common.Hash) {
	if root != types.EmptyRootHash {
		must(w.tries.Dereference(root))
	}
}

// must is for what only a mistake in this package can make fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
