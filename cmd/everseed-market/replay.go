package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// replaying is what the flags of replay say.
type replaying struct {
	epoch        int64
	market, tron string
	apiKey       string
	asJSON       bool
	allowMissing bool
}

func replayCommand(getenv func(string) string) *cobra.Command {
	r := replaying{apiKey: getenv("TRON_PRO_API_KEY")}
	cmd := &cobra.Command{
		Use:   "replay --epoch N",
		Short: "Recompute an audit epoch from the market's public log, as anybody can",
		Long: `Reads all that is public of an epoch through the market's API, without signing in, and recomputes it:
who had to audit which lease, when and with what challenges (they follow from the epoch's secret, which
was promised before, and from a block of the chain); whether each report is its author's, opens what
its author committed to in time, asks for what was due, at times that were due, and whose hashes
contradict neither the .torrent nor another auditor; and what verdict and how many seconds of pay
follow. Who may be drawn must have been named before that block; who is on trial must have been accused,
by whom the log says; an auditor that says timeout or unreachable must have tried as often as there was
time for; and of the canaries, once their seal is open, that they are what was sealed, and what follows
for the standing of every auditor. With --tron a node is asked whether the block is the first solid one of the epoch.

Everything that does not fit is named: promise, panel, missing, late, forged, undrawn, commitment,
challenges, tries, answer, verdict, pay, accusation, canaries, standing. What could not be checked is listed with its reason.

The exit status is 0 when all fits, 1 when something is wrong, and another one when it could not be
found out. A report that an auditor never gave is wrong too, unless --allow-missing says otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := r.run(cmd.Context())
			if err != nil { // of a kind that makes another exit status than a fault
				return marketplace.Unavailable.Errorf("the epoch cannot be replayed: %v", err)
			}
			if r.asJSON {
				err = terminal.JSON(cmd.OutOrStdout(), found)
			} else {
				err = drawReplay(cmd.OutOrStdout(), found)
			}
			if n := r.wrong(found); err == nil && n > 0 {
				err = marketplace.Conflict.Errorf("epoch %d is wrong in %d places", found.Epoch, n)
			}
			return err
		},
	}
	cmd.Flags().Int64Var(&r.epoch, "epoch", 0, "number of the epoch (default: the newest that is closed)")
	cmd.Flags().StringVar(&r.market, "market", "http://localhost:8080", "the market's address")
	cmd.Flags().StringVar(&r.tron, "tron", "", "TRON nodes to ask for the block: host:port,grpcs://host:port")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&r.allowMissing, "allow-missing", false,
		"reports that were never given do not make the exit status 1")
	return cmd
}

// wrong counts what makes the exit status.
func (r replaying) wrong(found audit.Replay) (n int) {
	for _, f := range found.Faults {
		if f.Kind != audit.Missing || !r.allowMissing {
			n++
		}
	}
	return n
}

func (r replaying) run(ctx context.Context) (found audit.Replay, err error) {
	market := client.New(r.market)
	info, err := market.Rules(ctx)
	if err != nil {
		return found, err
	}
	if r.epoch == 0 {
		if r.epoch, err = newestClosed(ctx, market); err != nil {
			return found, err
		}
	}
	log, err := market.EpochLog(ctx, r.epoch, 0)
	if err != nil {
		return found, err
	}
	c := audit.Case{Rules: info.Rules, Log: log, At: time.Now(), Signer: escrow.RecoverText,
		Torrents: map[marketplace.Infohash]*metainfo.Torrent{}}
	for _, l := range log.Epoch.Leases {
		if c.Torrents[l.Infohash] == nil {
			if c.Torrents[l.Infohash], err = torrentOf(ctx, market, l.Infohash); err != nil {
				return found, err
			}
		}
	}
	found = c.Judge()
	return found, r.checkBlock(ctx, info.Rules, log.Epoch, &found)
}

// newestClosed returns the newest epoch that takes no more reports.
func newestClosed(ctx context.Context, market *client.Client) (int64, error) {
	all, err := market.Promises(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if p.Secret.IsZero() {
			continue
		}
		if e, err := market.AuditEpoch(ctx, p.Epoch); err != nil || !e.ClosedAt.IsZero() {
			return p.Epoch, err
		}
	}
	return 0, marketplace.NotFound.Errorf("the market has no epoch that is closed yet")
}

func torrentOf(ctx context.Context, market *client.Client, h marketplace.Infohash) (
	*metainfo.Torrent, error) {
	raw, err := market.Metainfo(ctx, h)
	if err != nil {
		return nil, err
	}
	t, err := metainfo.Parse(raw, metainfo.HardLimits())
	if err == nil && t.Infohash != h {
		err = marketplace.Conflict.Errorf("the market gives the .torrent of %s for %s", t.Infohash, h)
	}
	return &t, err
}

// checkBlock asks a node for the block that the epoch's chance comes from.
func (r replaying) checkBlock(ctx context.Context, rules marketplace.Rules,
	e marketplace.AuditEpoch, found *audit.Replay) error {
	if r.tron == "" {
		found.Unchecked = append(found.Unchecked, fmt.Sprintf("block %d on the chain: name a node with"+
			" --tron", e.Block))
		return nil
	}
	v, err := escrow.Dial(ctx, escrow.Config{GRPC: r.tron, APIKey: r.apiKey})
	if err != nil {
		return err
	}
	err = v.CheckFirst(ctx, rules.EpochStart(e.Epoch), e.Block, e.Hash)
	if errors.Is(err, marketplace.Conflict) {
		found.Faults = append(found.Faults, audit.Fault{Kind: audit.BadPromise, Detail: err.Error()})
		err = nil
	}
	return errors.Join(err, v.Close())
}

func drawReplay(w io.Writer, r audit.Replay) error {
	t := terminal.Table{Header: []string{">LEASE", "AUDITOR", "WRONG", "WHAT"}}
	for _, f := range r.Faults {
		lease := "-"
		if f.Lease != 0 {
			lease = fmt.Sprint(f.Lease)
		}
		t.Add(lease, f.Auditor, f.Kind, f.Detail)
	}
	if len(t.Rows) > 0 {
		if err := t.Write(w); err != nil {
			return err
		}
	}
	for _, why := range r.Unchecked {
		if _, err := fmt.Fprintln(w, "not checked:", why); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "epoch %d: %d leases, %d of %d reports, %d passed answers (%d proven by the"+
		" .torrent, %d more that auditors agree on), %d of %d tries by other agents' lines: %d faults\n", r.Epoch,
		r.Leases, r.Reports, r.Due, r.Answers, r.Proven, r.Agreed, r.Carried, r.Carriable, len(r.Faults))
	return err
}
