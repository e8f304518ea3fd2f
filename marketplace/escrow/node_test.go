package escrow_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A liar is a node that does what the real one does and then changes the answer.
type liar struct {
	api.UnimplementedWalletServer
	full     api.WalletClient
	solid    api.WalletSolidityClient
	made     func(*core.TransactionRaw)
	constant func(*api.TransactionExtention)
	block    func(*api.BlockExtention)
	infos    func(*api.TransactionInfoList)
}

// lies starts a liar in front of a town's chain and returns a client of it.
func (w *town) lies(l *liar) *escrow.Vault {
	w.t.Helper()
	creds := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err := grpc.NewClient(w.chain.Addr(), creds)
	if err != nil {
		w.t.Fatal(err)
	}
	l.full, l.solid = api.NewWalletClient(conn), api.NewWalletSolidityClient(conn)
	server := grpc.NewServer()
	api.RegisterWalletServer(server, l)
	api.RegisterWalletSolidityServer(server, &solidLiar{liar: l})
	ln, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	w.t.Cleanup(func() {
		server.Stop()
		if err := errors.Join(<-done, conn.Close()); err != nil {
			w.t.Error(err)
		}
	})
	config := w.config
	config.GRPC = ln.Addr().String()
	return w.dial(config)
}

func (l *liar) TriggerContract(ctx context.Context, in *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	out, err := l.full.TriggerContract(ctx, in)
	if err == nil && l.made != nil {
		l.made(out.Transaction.RawData)
	}
	return out, err
}

func (l *liar) CreateTransaction2(ctx context.Context, in *core.TransferContract) (
	*api.TransactionExtention, error) {
	out, err := l.full.CreateTransaction2(ctx, in)
	if err == nil && l.made != nil {
		l.made(out.Transaction.RawData)
	}
	return out, err
}

func (l *liar) GetChainParameters(ctx context.Context, in *api.EmptyMessage) (
	*core.ChainParameters, error) {
	return l.full.GetChainParameters(ctx, in)
}

func (l *liar) TriggerConstantContract(ctx context.Context, in *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	out, err := l.full.TriggerConstantContract(ctx, in)
	if err == nil && l.constant != nil {
		l.constant(out)
	}
	return out, err
}

// A solidLiar is the liar's other service.
type solidLiar struct {
	api.UnimplementedWalletSolidityServer
	liar *liar
}

func (l *solidLiar) TriggerConstantContract(ctx context.Context, in *core.TriggerSmartContract) (
	*api.TransactionExtention, error) {
	out, err := l.liar.solid.TriggerConstantContract(ctx, in)
	if err == nil && l.liar.constant != nil {
		l.liar.constant(out)
	}
	return out, err
}

func (l *solidLiar) GetNowBlock2(ctx context.Context, in *api.EmptyMessage) (
	*api.BlockExtention, error) {
	return l.liar.solid.GetNowBlock2(ctx, in)
}

func (l *solidLiar) GetBlockByNum2(ctx context.Context, in *api.NumberMessage) (
	*api.BlockExtention, error) {
	out, err := l.liar.solid.GetBlockByNum2(ctx, in)
	if err == nil && l.liar.block != nil {
		l.liar.block(out)
	}
	return out, err
}

func (l *solidLiar) GetTransactionInfoByBlockNum(ctx context.Context, in *api.NumberMessage) (
	*api.TransactionInfoList, error) {
	out, err := l.liar.solid.GetTransactionInfoByBlockNum(ctx, in)
	if err == nil && l.liar.infos != nil {
		l.liar.infos(out)
	}
	return out, err
}

// repack changes the contract inside a transaction.
func repack(raw *core.TransactionRaw, change func(*core.TriggerSmartContract)) {
	in := new(core.TriggerSmartContract)
	if err := raw.Contract[0].Parameter.UnmarshalTo(in); err != nil {
		panic(err)
	}
	change(in)
	wrapped, err := anypb.New(in)
	if err != nil {
		panic(err)
	}
	raw.Contract[0].Parameter = wrapped
}

func TestNothingIsSignedThatWasNotAsked(t *testing.T) {
	w := newTown(t)
	thief := named("thief").Address().Tron()
	lies := map[string]func(*core.TransactionRaw){
		"owner": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { in.OwnerAddress = thief })
		},
		"contract is": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { in.ContractAddress = thief })
		},
		"data": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { copy(in.Data[16:], thief[1:]) })
		},
		"value": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { in.CallValue = 1 })
		},
		"value is": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { in.CallTokenValue = 1 })
		},
		"content": func(raw *core.TransactionRaw) {
			repack(raw, func(in *core.TriggerSmartContract) { in.TokenId = 1002000 })
		},
		"fee limit":     func(raw *core.TransactionRaw) { raw.FeeLimit = 15_000 * escrow.Sun },
		"memo":          func(raw *core.TransactionRaw) { raw.Data = []byte("memo") },
		"memo,":         func(raw *core.TransactionRaw) { raw.Scripts = []byte("script") },
		"permission":    func(raw *core.TransactionRaw) { raw.Contract[0].PermissionId = 2 },
		"permission or": func(raw *core.TransactionRaw) { raw.Contract[0].Provider = thief },
		"type": func(raw *core.TransactionRaw) {
			raw.Contract[0].Type = core.Transaction_Contract_TransferContract
		},
		"contract type": func(raw *core.TransactionRaw) {
			raw.Contract = append(raw.Contract, raw.Contract[0])
		},
		"type is": func(raw *core.TransactionRaw) {
			wrapped, err := anypb.New(&core.TransferContract{
				OwnerAddress: poster.Address().Tron(), ToAddress: thief, Amount: escrow.Sun})
			if err != nil {
				panic(err)
			}
			raw.Contract[0].Parameter = wrapped
		},
	}
	for what, lie := range lies {
		v := w.lies(&liar{made: lie})
		_, err := v.BuildTransferBTT(t.Context(), poster, payee.Address(), marketplace.BTT(1))
		refuses(t, what, err, marketplace.Conflict)
		if err != nil && !strings.Contains(err.Error(), what) {
			t.Errorf("the refusal does not name %s: %v", what, err)
		}
		if c := escrow.CauseOf(err); c != escrow.CauseLie {
			t.Errorf("a lie about the %s counts as %s", what, c)
		}
	}
}

func TestATransferOfTRXIsComparedToo(t *testing.T) {
	w := newTown(t)
	v := w.lies(&liar{made: func(raw *core.TransactionRaw) {
		wrapped, err := anypb.New(&core.TransferContract{OwnerAddress: poster.Address().Tron(),
			ToAddress: payee.Address().Tron(), Amount: 1000 * escrow.Sun})
		if err != nil {
			panic(err)
		}
		raw.Contract[0].Parameter = wrapped
	}})
	_, err := v.BuildTransferTRX(t.Context(), poster, payee.Address(), escrow.Sun)
	refuses(t, "another amount", err, marketplace.Conflict)

	w.solid(w.BuildTransferTRX(t.Context(), poster, payee.Address(), escrow.Sun))
	if sun, err := w.TRX(t.Context(), payee.Address()); err != nil || sun != escrow.Sun {
		t.Errorf("payee has %d sun (%v)", sun, err)
	}
}

// Which block a transaction refers to is ours to say: by it a lapse is proven later.
func TestATransactionRefersToASolidBlockWhateverTheNodeSays(t *testing.T) {
	w := newTown(t)
	v := w.lies(&liar{made: func(raw *core.TransactionRaw) {
		raw.RefBlockBytes, raw.RefBlockHash, raw.RefBlockNum = []byte{9, 9}, make([]byte, 8), 77
	}})
	s, err := v.BuildTransferBTT(t.Context(), poster, payee.Address(), marketplace.BTT(1))
	if err != nil {
		t.Fatal(err)
	}
	if r := w.final(s); r.Outcome != escrow.Confirmed {
		t.Errorf("transfer: %+v", r)
	}
}

func TestAStaleNodesTransactionIsNotSigned(t *testing.T) {
	w := newTown(t)
	for what, lie := range map[string]func(*core.TransactionRaw){
		"head an hour old": func(raw *core.TransactionRaw) {
			raw.Expiration -= time.Hour.Milliseconds()
		},
		"life of two days": func(raw *core.TransactionRaw) {
			raw.Expiration += 48 * time.Hour.Milliseconds()
		},
	} {
		v := w.lies(&liar{made: lie})
		_, err := v.BuildTransferBTT(t.Context(), poster, payee.Address(), marketplace.BTT(1))
		refuses(t, what, err, marketplace.Unavailable)
	}
}

// What cannot be read must never look like nothing: a balance of zero, a mandate that is not there.
func TestAFailedCallIsAnErrorAndNotAZero(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(10))
	for what, lie := range failures {
		v := w.lies(&liar{constant: lie})
		for name, read := range readers {
			if name == "BuildApprove" && (what == "empty answer" || what == "no answer" ||
				what == "half a word") {
				continue // it looks at what the call takes, and not at what it answers
			}
			if got, err := read(ctx, v); err == nil {
				t.Errorf("%s, %s: %v without an error", name, what, got)
			}
		}
	}
	for name, read := range readers {
		if _, err := read(ctx, w.Vault); err != nil {
			t.Errorf("%s of an honest node: %v", name, err)
		}
	}
	config := w.config
	config.Vault = w.config.Token // a contract without such a function
	if a, err := w.dial(config).Obligations(ctx); err == nil {
		t.Errorf("a token has obligations of %s", a)
	}
	config.Vault = payee.Address() // no contract at all
	if a, err := w.dial(config).Obligations(ctx); err == nil {
		t.Errorf("an account has obligations of %s", a)
	}
}

func TestAnotherContractIsNotTakenForTheVault(t *testing.T) {
	w := newTown(t)
	config := w.config
	config.Token = config.Vault
	_, err := w.dial(config).Domain(t.Context())
	refuses(t, "vault over another token", err, marketplace.Conflict)
	if d, err := w.Domain(t.Context()); err != nil || d.ChainID != w.chain.ChainID() ||
		d.Vault != w.config.Vault {
		t.Errorf("domain is %+v (%v)", d, err)
	}
}

func TestAnIncompleteBlockIsNotBelieved(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	w.fund(marketplace.BTT(1))
	lies := map[string]*liar{
		"no infos":     {infos: func(l *api.TransactionInfoList) { l.TransactionInfo = nil }},
		"block's id":   {block: func(b *api.BlockExtention) { b.Blockid[7]++ }},
		"empty block":  {block: func(b *api.BlockExtention) { b.BlockHeader = nil }},
		"other number": {block: func(b *api.BlockExtention) { b.BlockHeader.RawData.Number++ }},
		"other parent": {block: func(b *api.BlockExtention) {
			if b.BlockHeader.RawData.Number > 0 {
				b.BlockHeader.RawData.ParentHash[31]++
			}
		}},
		"infos of another block": {infos: func(l *api.TransactionInfoList) {
			for _, info := range l.TransactionInfo {
				info.BlockNumber++
			}
		}},
	}
	for what, l := range lies {
		_, err := w.lies(l).Events(ctx, 0, 10_000)
		refuses(t, what, err, marketplace.Unavailable)
	}
	_, err := w.lies(lies["block's id"]).Events(ctx, 0, 1)
	refuses(t, "id of a single block", err, marketplace.Unavailable)
}

func TestAShortOutageIsWaitedFor(t *testing.T) {
	w := newTown(t)
	w.chain.Outage(true)
	timer := time.AfterFunc(80*time.Millisecond, func() { w.chain.Outage(false) })
	defer timer.Stop()
	if _, err := w.TokenBalance(t.Context(), poster.Address()); err != nil {
		t.Errorf("after a short outage: %v", err)
	}
	w.chain.Outage(true)
	_, err := w.TokenBalance(t.Context(), poster.Address())
	refuses(t, "long outage", err, marketplace.Unavailable)
	w.chain.Outage(false)
}

func TestACostlyTransactionIsNotBuilt(t *testing.T) {
	w := newTown(t)
	config := w.config
	config.FeeLimit = 1000 // sun
	_, err := w.dial(config).BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1))
	refuses(t, "fee above the limit", err, marketplace.Insufficient)

	s, err := w.BuildDeposit(t.Context(), poster, poster.Address(), marketplace.BTT(1))
	if err != nil {
		t.Fatal(err)
	}
	r := w.final(s)
	if r.Outcome != escrow.Confirmed || s.FeeMax < r.Fee || s.FeeMax > 100*escrow.Sun {
		t.Errorf("a deposit may burn %d sun and burnt %+v", s.FeeMax, r)
	}
}

func TestTokensAreNotSentToNobody(t *testing.T) {
	w := newTown(t)
	for _, to := range []marketplace.Address{{}, w.config.Token, w.config.Vault} {
		_, err := w.BuildTransferBTT(t.Context(), poster, to, marketplace.BTT(1))
		refuses(t, to.String(), err, marketplace.Invalid)
	}
}
