package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
	"github.com/everseed/everseed/seederagent"
	"github.com/everseed/everseed/seederagent/swarm"
)

// demoOptions are what a person may choose.
type demoOptions struct {
	dir     string
	bin     string
	content string
	torrent string
	size    seederagent.Size
	once    bool
}

const (
	demoReplicas = 3
	demoTerm     = "75s"
	demoBudget   = 3 * time.Minute
)

// A demo is one bounty's life, told while it happens.
type demo struct {
	*devnet
	opts   demoOptions
	out    *narrator
	poster *poster

	raw     []byte // the .torrent
	torrent *metainfo.Torrent
	hash    string // of the content at the start
	source  string // folder that holds the content under the torrent's name
	seeder  *swarm.Engine
	trackers

	deposited marketplace.Amount
	bounty    marketplace.Bounty
	killed    *agent
	corrupted *agent
}

// runDemo starts a devnet and shows the market's main job on it.
func runDemo(ctx context.Context, o demoOptions, w io.Writer) (err error) {
	out := newNarrator(w)
	out.say("Everseed on this machine: everything below is real but the chain and its money.")
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out.chapter("Starting")
	net, err := startDevnet(ctx, o.dir, o.bin, out.say)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, net.stop())
	}()
	d := &demo{devnet: net, opts: o, out: out}
	defer func() { err = errors.Join(err, d.trackers.close()) }()
	out.say("the market is at %s — open it in a browser", d.web)
	go out.follow(ctx, d.client)
	story, stop := context.WithTimeout(ctx, demoBudget)
	defer stop()
	if err := d.tell(story); err != nil {
		return err
	}
	out.say("the demo took %s", time.Since(began).Round(time.Second))
	if o.once {
		return nil
	}
	out.chapter("Running on for you to look around: %s (Ctrl-C ends it)", d.web)
	<-ctx.Done()
	return nil
}

// tell plays the chapters in order.
func (d *demo) tell(ctx context.Context) error {
	for _, c := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Five agents at home offer disk and upload", d.hireAgents},
		{"A torrent that only one seeder still has", d.makeTorrent},
		{"A poster puts money in the vault and posts a bounty", d.post},
		{"The matcher gives the replicas to the cheapest fitting agents", d.match},
		{"They fetch, verify and seed; auditors ask them for pieces", d.prove},
		{"The last seeder leaves for good: the swarm lives on the market alone", d.leave},
		{"Audits pass, pay accrues, cheques are signed and redeemed on the chain", d.pay},
		{"One agent dies by kill -9, another's disk rots", d.hurt},
		{"The market replaces both", d.heal},
		{"A stock client downloads the torrent from the agents", d.download},
		{"The term ends: what was held back vests, what was not earned is refunded", d.finish},
	} {
		d.out.chapter("%s", c.title)
		if err := c.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.title, err)
		}
	}
	return d.report(ctx)
}

func (d *demo) hireAgents(ctx context.Context) error {
	info, err := d.client.Rules(ctx)
	if err != nil {
		return err
	}
	for i, who := range info.Auditors { // they are paid too
		d.out.name(who, fmt.Sprint("auditor-", i+1))
	}
	for i, price := range []uint64{4000, 4500, 5000, 6000, 7000} {
		a, err := d.addAgent(fmt.Sprint("agent-", i+1), marketplace.BTT(price), nil)
		if err != nil {
			return err
		}
		d.out.name(a.key.Address(), a.name)
		d.out.say("%s asks %d BTT per GiB-day, %s of disk, at %s", a.name, price, a.config.Storage,
			a.config.Listen)
	}
	return d.awaitOffers(ctx)
}

// makeTorrent takes the user's content or makes some, and starts its one seeder.
func (d *demo) makeTorrent(ctx context.Context) (err error) {
	path := d.opts.content
	if path == "" {
		path = filepath.Join(d.dir, "content", "museum-archive")
		if err := makeContent(path, int64(d.opts.size), 1911); err != nil {
			return err
		}
	}
	d.source = filepath.Dir(path)
	if d.hash, err = fingerprint(path); err != nil {
		return err
	}
	d.seeder, err = swarm.Open(swarm.Config{Dir: filepath.Join(d.dir, "seeder"), NoDHT: true,
		Listen: fmt.Sprintf("127.%d.9.1:0", d.net), AllowLoopback: true})
	if err != nil {
		return err
	}
	if err := d.makeMetainfo(ctx, path); err != nil {
		return err
	}
	if _, err := d.seeder.Adopt(d.raw, d.source); err != nil {
		return err
	}
	if err := d.seeder.Wait(ctx, d.torrent.Infohash); err != nil {
		return err
	}
	d.out.say("%q: %s in %d files, %d pieces, infohash %s", d.torrent.Name,
		seederagent.Size(d.torrent.Size), len(d.torrent.Files), d.torrent.Pieces, d.torrent.Infohash)
	return nil
}

// makeMetainfo reads the user's .torrent or makes one, whose tracker knows the seeder.
func (d *demo) makeMetainfo(ctx context.Context, path string) (err error) {
	if d.opts.torrent != "" {
		d.raw, err = os.ReadFile(d.opts.torrent)
	} else {
		d.raw, err = metainfo.Build(ctx, path, 0, nil)
	}
	if err != nil {
		return marketplace.Invalid.Errorf("torrent: %v", err)
	}
	if d.torrent, err = parse(d.raw); err != nil {
		return err
	}
	announce, err := d.trackers.open(ctx, d.torrent.Infohash, d.seeder.Addr())
	if err != nil {
		return err
	}
	d.raw, err = metainfo.WithTracker(d.raw, announce)
	return err
}

func parse(raw []byte) (*metainfo.Torrent, error) {
	t, err := metainfo.Parse(raw, metainfo.DefaultLimits())
	return &t, err
}

// post does what a person does with the everseed tool.
func (d *demo) post(ctx context.Context) (err error) {
	d.deposited = marketplace.BTT(100)
	if d.poster, err = d.aPoster(ctx, d.deposited); err != nil {
		return err
	}
	d.out.name(d.poster.key.Address(), "poster")
	d.out.say("everseed wallet deposit %s --mandate 1d", d.deposited)
	if err := d.poster.run(ctx, nil, "wallet", "deposit", d.deposited.String(), "--mandate",
		"1d"); err != nil {
		return err
	}
	file := filepath.Join(d.dir, "demo.torrent")
	if err := os.WriteFile(file, d.raw, 0o600); err != nil {
		return err
	}
	d.out.say("everseed torrent add demo.torrent")
	if err := d.poster.run(ctx, nil, "torrent", "add", file); err != nil {
		return err
	}
	if err := d.creditIsIn(ctx); err != nil {
		return err
	}
	d.out.say("everseed bounty post %s --replicas %d --price-max 10000 --keep-for %s",
		d.torrent.Infohash, demoReplicas, demoTerm)
	return d.poster.run(ctx, &d.bounty, "bounty", "post", d.torrent.Infohash.String(), "--replicas",
		fmt.Sprint(demoReplicas), "--price-max", "10000", "--keep-for", demoTerm, "--good-for", "10m")
}

// creditIsIn waits until the market has read the deposit and the mandate from solid blocks.
func (d *demo) creditIsIn(ctx context.Context) error {
	return d.market.until(ctx, "the deposit is solid", func() bool {
		a, err := d.client.Account(ctx, d.poster.key.Address())
		return err == nil && a.Free == d.deposited && len(a.Mandates) == 1
	})
}

// look reads the bounty and its leases until they are as wanted.
func (d *demo) look(ctx context.Context, what string,
	ok func(marketplace.Bounty, []marketplace.Lease) bool) error {
	return d.market.until(ctx, what, func() bool {
		b, err := d.client.Bounty(ctx, d.bounty.ID)
		if err != nil {
			return false
		}
		leases, err := d.client.LeasesOf(ctx, d.bounty.ID)
		if err != nil || !ok(b, leases) {
			return false
		}
		d.bounty = b
		return true
	})
}

func (d *demo) match(ctx context.Context) error {
	err := d.look(ctx, "all replicas have a lease", func(b marketplace.Bounty,
		_ []marketplace.Lease) bool {
		return b.State == marketplace.Filled
	})
	if err != nil {
		return err
	}
	leases, err := d.client.LeasesOf(ctx, d.bounty.ID)
	if err != nil {
		return err
	}
	for _, l := range leases {
		if l.Price != leases[0].Price {
			return fmt.Errorf("leases %d and %d of one call have two prices", l.ID, leases[0].ID)
		}
		if !slices.Contains([]*agent{d.agents[0], d.agents[1], d.agents[2]}, d.holder(l)) {
			return fmt.Errorf("lease %d went to %s, which is not among the cheapest", l.ID, l.Agent)
		}
	}
	d.out.say("three leases at one clearing price: %s BTT per GiB-day", leases[0].Price)
	return nil
}

func (d *demo) holder(l marketplace.Lease) *agent {
	for _, a := range d.agents {
		if a.key.Address() == l.Agent {
			return a
		}
	}
	return nil
}

func (d *demo) prove(ctx context.Context) error {
	return d.look(ctx, "all replicas passed a first audit", func(b marketplace.Bounty,
		_ []marketplace.Lease) bool {
		return b.Proven == demoReplicas
	})
}

func (d *demo) leave(context.Context) error {
	d.out.say("seeder stopped; %d replicas are left", d.bounty.Proven)
	return d.seeder.Close()
}

// pay waits until every replica earned something and a cheque of each was redeemed.
func (d *demo) pay(ctx context.Context) error {
	return d.look(ctx, "a cheque of every agent is solid", func(_ marketplace.Bounty,
		leases []marketplace.Lease) bool {
		for _, l := range leases {
			paid, err := d.paid(ctx, l)
			if err != nil || paid.IsZero() {
				return false
			}
		}
		return true
	})
}

// hurt kills one agent and spoils another's files.
func (d *demo) hurt(ctx context.Context) error {
	leases, err := d.client.LeasesOf(ctx, d.bounty.ID)
	if err != nil {
		return err
	}
	d.killed, d.corrupted = d.holder(leases[0]), d.holder(leases[1])
	if err := d.killed.kill(); err != nil {
		return err
	}
	d.out.say("%s: killed with kill -9", d.killed.name)
	n, err := corrupt(filepath.Join(d.corrupted.config.Dir, "torrents"))
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s has no files to corrupt", d.corrupted.name)
	}
	d.out.say("%s: a byte flipped in every 16 KiB of its %d files", d.corrupted.name, n)
	return nil
}

// heal waits until both were failed and replaced by agents that proved themselves.
func (d *demo) heal(ctx context.Context) error {
	err := d.look(ctx, "both replicas were replaced and proven", func(b marketplace.Bounty,
		leases []marketplace.Lease) bool {
		failed := 0
		for _, l := range leases {
			if l.State == marketplace.Failed {
				failed++
			}
		}
		return failed == 2 && b.Proven == demoReplicas
	})
	if err != nil {
		return err
	}
	d.out.say("three proven replicas again, fetched from the agent that survived")
	return nil
}

// download fetches everything from the agents with a plain client, and compares.
func (d *demo) download(ctx context.Context) error {
	leases, err := d.client.LeasesOf(ctx, d.bounty.ID)
	if err != nil {
		return err
	}
	var peers []netip.AddrPort // the market does not tell where they are; the torrent's tracker would
	for _, a := range d.agents {
		if slices.ContainsFunc(leases, func(l marketplace.Lease) bool {
			return l.Agent == a.key.Address() && l.State == marketplace.Active
		}) {
			ap, err := netip.ParseAddrPort(a.config.Peer)
			if err != nil {
				return err
			}
			peers = append(peers, ap)
		}
	}
	began, dir := time.Now(), filepath.Join(d.dir, "downloaded")
	if err := swarm.Fetch(ctx, swarm.Download{Metainfo: d.raw, Peers: peers, Config: swarm.Config{
		Dir: dir, Listen: fmt.Sprintf("127.%d.8.1:0", d.net), NoDHT: true, NoTrackers: true, AllowLoopback: true}}); err != nil {
		return err
	}
	got, err := fingerprint(filepath.Join(dir, d.torrent.Name))
	if err != nil {
		return err
	}
	if got != d.hash {
		return fmt.Errorf("the download's hash is %s, the original's %s", got, d.hash)
	}
	d.out.say("plain client: %s in %.1f s, SHA-256 as the original's: %s…",
		seederagent.Size(d.torrent.Size), time.Since(began).Seconds(), got[:16])
	return d.downloadWithOthers(ctx, peers)
}

// finish waits for the end of the term and for the last redemptions.
func (d *demo) finish(ctx context.Context) error {
	err := d.look(ctx, "the bounty ran to its end", func(b marketplace.Bounty,
		_ []marketplace.Lease) bool {
		return b.State == marketplace.Completed
	})
	if err != nil {
		return err
	}
	return d.market.until(ctx, "everything payable is redeemed", func() bool {
		s, err := d.client.Solvency(ctx)
		return err == nil && s.Payable.IsZero() && s.Held.IsZero()
	})
}
