package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/deploy/devstack"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent"
)

const (
	blockTime  = 100 * time.Millisecond // solid after 1.8 s instead of a minute
	thawPeriod = 20 * time.Second
	auditors   = 3
	faucetTRX  = 1_000_000
)

// A devnet is a whole market on this machine: Postgres, NATS, a dev chain with token and vault,
// the market's server and its auditors, each a process of its own but NATS.
type devnet struct {
	dir string // everything is kept here
	bin string // where our programs are
	net int    // agents live in 127.net.0.0/16

	postgres *devstack.Postgres
	nats     *devstack.NATS
	chain    *process
	market   *process
	auditors []*process
	agents   []*agent
	agentEnv []string // of all agents, beside their keys

	vault     *escrow.Vault
	faucet    escrow.Key // has all TRX, deployed the token, mints it
	token     marketplace.Address
	vaultAddr marketplace.Address
	tron      string // the chain's gRPC address
	control   string // URL of the chain's control port
	web       string // the market's address
	client    *client.Client
}

// An agent of the devnet, with what it was told to sell.
type agent struct {
	*process
	name   string
	key    escrow.Key
	config seederagent.Config
}

// startDevnet brings everything up but agents. What was started is stopped again when a step fails.
func startDevnet(ctx context.Context, dir, bin string, say func(string, ...any)) (
	d *devnet, err error) {
	d = &devnet{dir: dir, bin: bin, net: freeNet()}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop())
		}
	}()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"Postgres", d.startPostgres},
		{"NATS", d.startNATS},
		{"a TRON dev chain", d.startChain},
		{"the test token and the vault, deployed to it", d.deploy},
		{"the market and three auditors", d.startMarket},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return d, fmt.Errorf("start %s: %w", step.what, err)
		}
		say("%s (%.1f s)", step.what, time.Since(began).Seconds())
	}
	return d, nil
}

func (d *devnet) startPostgres(ctx context.Context) (err error) {
	d.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{
		Dir: filepath.Join(d.dir, "postgres"), Durable: true})
	if err != nil {
		return err
	}
	return d.postgres.Create(ctx, "everseed", "")
}

func (d *devnet) startNATS(context.Context) (err error) {
	d.nats, err = devstack.StartNATS(0)
	return err
}

func (d *devnet) startChain(ctx context.Context) (err error) {
	if d.faucet, err = escrow.NewKey(); err != nil {
		return err
	}
	if d.tron, err = freePort(); err != nil {
		return err
	}
	control, err := freePort()
	if err != nil {
		return err
	}
	d.control = "http://" + control
	d.chain = d.process("chain", "everseed-devnet", "chain", "--dir", filepath.Join(d.dir, "chain"),
		"--listen", d.tron, "--http", "", "--control", control,
		"--block-time", blockTime.String(),
		"--fund", fmt.Sprintf("%s=%d", d.faucet.Address(), 100*faucetTRX))
	return d.startChainAgain(ctx)
}

func (d *devnet) startChainAgain(ctx context.Context) error {
	if err := d.chain.start(); err != nil {
		return err
	}
	return d.chain.until(ctx, "it listens", func() bool { return listens(d.tron) })
}

func (d *devnet) deploy(ctx context.Context) (err error) {
	c := escrow.Config{GRPC: d.tron, PerSecond: 200}
	if d.token, d.vaultAddr, err = escrow.Deploy(ctx, c, d.faucet, thawPeriod); err != nil {
		return err
	}
	c.Token, c.Vault = d.token, d.vaultAddr
	if d.vault, err = escrow.Dial(ctx, c); err != nil {
		return err
	}
	return d.chain.until(ctx, "the vault is in a solid block", func() bool {
		_, err := d.vault.Domain(ctx)
		return err == nil
	})
}

// startMarket starts the market's server, and auditors whose keys a mandate names.
func (d *devnet) startMarket(ctx context.Context) error {
	operator, err := escrow.NewKey()
	if err != nil {
		return err
	}
	var keys []escrow.Key
	var names []string
	for range auditors {
		key, err := escrow.NewKey()
		if err != nil {
			return err
		}
		keys, names = append(keys, key), append(names, key.Address().String())
	}
	if err := d.giveTRX(ctx, operator.Address()); err != nil {
		return err
	}
	listen, err := freePort()
	if err != nil {
		return err
	}
	d.web, d.client = "http://"+listen, client.New("http://"+listen)
	d.market = d.process("market", "everseed-market", "serve")
	d.market.env = []string{"DATABASE_URL=" + d.postgres.URL("everseed"), "NATS_URL=" + d.nats.URL(),
		"TRON_GRPC=" + d.tron, "EVERSEED_TOKEN=" + d.token.String(),
		"EVERSEED_VAULT=" + d.vaultAddr.String(), "EVERSEED_MARKET_KEY=" + operator.Hex(),
		"EVERSEED_AUDITORS=" + strings.Join(names, ","), "EVERSEED_QUORUM=2",
		"EVERSEED_RULES=devnet", "EVERSEED_LISTEN=" + listen}
	if err := d.startMarketAgain(ctx); err != nil {
		return err
	}
	for i, key := range keys {
		p := d.process(fmt.Sprint("auditor-", i+1), "everseed-auditor", "run", "--market", d.web,
			"--dir", filepath.Join(d.dir, "auditors"))
		p.env = []string{"EVERSEED_AUDITOR_KEY=" + key.Hex()}
		if err := p.start(); err != nil {
			return err
		}
		d.auditors = append(d.auditors, p)
	}
	return nil
}

func (d *devnet) startMarketAgain(ctx context.Context) error {
	if err := d.market.start(); err != nil {
		return err
	}
	return d.market.until(ctx, "it is ready", func() bool { return d.ready(ctx) })
}

func (d *devnet) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.web+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// process prepares one of our programs, with a log in the devnet's folder.
func (d *devnet) process(name, program string, args ...string) *process {
	return &process{name: name, bin: filepath.Join(d.bin, program), args: args,
		log: filepath.Join(d.dir, name+".log")}
}

// addAgent starts a seeder agent with a key, a folder, a network and a price of its own. Agents of
// one machine count as apart by their /24 networks of the loopback range.
func (d *devnet) addAgent(name string, price marketplace.Amount, change func(*seederagent.Config)) (
	*agent, error) {
	key, err := escrow.NewKey()
	if err != nil {
		return nil, err
	}
	return d.addAgentAs(key, name, price, change)
}

func (d *devnet) addAgentAs(key escrow.Key, name string, price marketplace.Amount,
	change func(*seederagent.Config)) (*agent, error) {
	a := &agent{name: name, key: key, config: seederagent.DefaultConfig()}
	c := &a.config
	c.Market, c.Dir, c.TronGRPC = d.web, filepath.Join(d.dir, name), d.tron
	c.Storage, c.KeepFree, c.TorrentMax = 2<<30, 64<<20, 1<<30
	c.PriceMin, c.TermMin, c.TermMax = price, 0, marketplace.Span(marketplace.Day)
	c.UploadRate = 50 << 20
	c.Listen = fmt.Sprintf("127.%d.%d.1:6881", d.net, 11+len(d.agents))
	c.Peer = c.Listen
	if change != nil {
		change(c)
	}
	file := filepath.Join(c.Dir, "agent.toml")
	if err := c.Write(file); err != nil {
		return nil, err
	}
	a.process = d.process(name, "everseed-agent", "run", "--config", file)
	a.env = append([]string{"EVERSEED_AGENT_KEY=" + key.Hex()}, d.agentEnv...)
	if err := a.start(); err != nil {
		return nil, err
	}
	d.agents = append(d.agents, a)
	return a, nil
}

// awaitOffers waits until all agents' offers are in the book.
func (d *devnet) awaitOffers(ctx context.Context) error {
	for _, a := range d.agents {
		if err := a.until(ctx, "its offer is up", func() bool {
			offers, err := d.client.Offers(ctx)
			return err == nil && slices.ContainsFunc(offers, func(o marketplace.Offer) bool {
				return o.Agent == a.key.Address()
			})
		}); err != nil {
			return err
		}
	}
	return nil
}

// giveTRX sends TRX for fees from the faucet and waits until they are solid.
func (d *devnet) giveTRX(ctx context.Context, to marketplace.Address) error {
	tx, err := d.vault.BuildTransferTRX(ctx, d.faucet, to, faucetTRX/100*escrow.Sun)
	return d.confirm(ctx, tx, err)
}

// giveBTT mints test BTT.
func (d *devnet) giveBTT(ctx context.Context, to marketplace.Address, a marketplace.Amount) error {
	tx, err := d.vault.BuildMint(ctx, d.faucet, to, a)
	return d.confirm(ctx, tx, err)
}

func (d *devnet) confirm(ctx context.Context, tx escrow.Staged, err error) error {
	if err != nil {
		return err
	}
	if err := d.vault.Send(ctx, tx); err != nil {
		return err
	}
	r, err := d.vault.Await(ctx, tx, true)
	if err == nil && r.Outcome == escrow.Reverted {
		err = errors.New(r.Reason)
	}
	return err
}

// poster is somebody with a wallet file, for whom the everseed tool is run.
type poster struct {
	*devnet
	key escrow.Key
}

// aPoster makes a fresh wallet with TRX and BTT.
func (d *devnet) aPoster(ctx context.Context, btt marketplace.Amount) (*poster, error) {
	key, err := escrow.NewKey()
	if err != nil {
		return nil, err
	}
	if err := d.giveTRX(ctx, key.Address()); err != nil {
		return nil, err
	}
	return &poster{d, key}, d.giveBTT(ctx, key.Address(), btt)
}

// run calls the everseed tool as the poster and reads its JSON into out, if that is not nil.
func (p *poster) run(ctx context.Context, out any, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "everseed"), // #nosec G204 -- our own program
		append(args, "--json", "--market", p.web, "--tron", p.tron)...)
	cmd.Env = append(os.Environ(), "EVERSEED_KEY="+p.key.Hex(), "HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("everseed %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("everseed %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// stop ends everything, last started first.
func (d *devnet) stop() error {
	var errs []error
	for _, a := range d.agents {
		errs = append(errs, a.stop())
	}
	for _, p := range append(d.auditors, d.market) {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if d.vault != nil {
		errs = append(errs, d.vault.Close())
	}
	if d.chain != nil {
		errs = append(errs, d.chain.stop())
	}
	if d.nats != nil {
		d.nats.Stop()
	}
	if d.postgres != nil {
		errs = append(errs, d.postgres.Stop())
	}
	return errors.Join(errs...)
}

// freePort returns an address of this machine that nobody listens on.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// nets counts the devnets of this process.
var nets atomic.Int32

// freeNet returns the number of a loopback network in which no other devnet has agents.
func freeNet() int {
	for {
		n := (os.Getpid() + 83*int(nets.Add(1))) % 250
		if !listens(fmt.Sprintf("127.%d.11.1:6881", n)) {
			return n
		}
	}
}

func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	return err == nil && conn.Close() == nil
}
