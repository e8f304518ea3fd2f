package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A verification is what came of rechecking a lease.
type verification struct {
	Lease     int64                `json:"lease"`
	Infohash  marketplace.Infohash `json:"infohash"`
	Epochs    []audit.Replay       `json:"epochs"` // those that were paid, oldest first
	Holds     []string             `json:"holds"`
	False     []string             `json:"false"`
	Unchecked []string             `json:"unchecked"` // what could not be checked, and why
}

// A verifier rechecks one lease.
type verifier struct {
	verification
	market  *client.Client
	info    marketplace.MarketInfo
	torrent *metainfo.Torrent
	content *audit.Content // nil: no copy
	vault   *escrow.Vault  // nil: the chain cannot be asked
	lease   marketplace.Lease
	proofs  []marketplace.Proof // all of the lease, oldest first
}

func (v *verifier) holds(format string, args ...any) {
	v.Holds = append(v.Holds, fmt.Sprintf(format, args...))
}

func (v *verifier) isFalse(format string, args ...any) {
	v.False = append(v.False, fmt.Sprintf(format, args...))
}

func (v *verifier) unchecked(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(v.Unchecked, text) {
		v.Unchecked = append(v.Unchecked, text)
	}
}

func (s *session) verifyCommand() *cobra.Command {
	var file, content string
	cmd := &cobra.Command{
		Use:   "verify LEASE --torrent FILE",
		Short: "Recheck on this machine everything that a lease was paid for",
		Long: `Takes nobody's word: from your .torrent, the market's public log and the chain it recomputes, for every
epoch that the lease was paid for, and on v1 for every one before, in which its root was shown,

  who had to ask the agent for which parts and when (from the epoch's secret, promised before it began,
  and a block of the chain), and that each report is its auditor's, was committed to before any was
  revealed, asked for what was due, and tells of hashes that contradict nothing
  what verdict and how much pay follow, to the last base unit, and that nothing was paid before the root
  of a v1 torrent was shown
  that the cheques claim no more than all proofs bear, that a quorum signed them, and that the vault
  paid them

What a hash shows:

  --content FILE   every answer is held against your copy, byte for byte, and so is the root that the
                   agent of a v1 torrent proves blocks by. Only this shows of a v1 torrent that the
                   agent sent the right content. Of a v1 torrent the whole copy is read.
  a v2 .torrent    tells the hash of every whole piece, so answers of whole pieces are proven. Those of
                   single blocks are compared between auditors.
  a v1 .torrent    tells SHA-1s, and answers carry SHA-256s, which nobody can write down who did not have
                   the bytes (a SHA-1 could be copied from the .torrent). So without --content nothing is
                   proven: auditors are compared with one another, and who sees one alone is
                   believed.

It prints what holds, what is false, and what could not be checked and why. The exit status is 1 if
anything is false. Nothing is written, no key is needed.

  everseed verify 17 --torrent debian.torrent --content ~/Downloads/debian.iso`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			v := &verifier{market: s.visitor()}
			v.verification = verification{Lease: id, Epochs: []audit.Replay{}, Holds: []string{},
				False: []string{}, Unchecked: []string{}}
			if err := v.open(file, content); err != nil {
				return err
			}
			if v.content != nil {
				defer v.content.Close()
			}
			if err := v.run(cmd.Context(), s); err != nil { // no verdict: not the status of a falsehood
				return marketplace.Unavailable.Errorf("lease %d cannot be verified: %v", id, err)
			}
			err = s.show(cmd.OutOrStdout(), v.verification, v.draw)
			if err == nil && len(v.False) > 0 {
				err = marketplace.Conflict.Errorf("%d things are false about lease %d", len(v.False), id)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&file, "torrent", "", "your .torrent of what the lease keeps (needed)")
	cmd.Flags().StringVar(&content, "content", "", "your copy of the content: a file, or the torrent's folder")
	return cmd
}

// open reads what is on this machine.
func (v *verifier) open(file, content string) error {
	if file == "" {
		return marketplace.Invalid.Errorf("--torrent is missing: the .torrent that the lease is for, from a" +
			" source that you trust")
	}
	raw, err := os.ReadFile(file) // #nosec G304 -- named by the user
	if err != nil {
		return marketplace.Invalid.Errorf("--torrent: %v", err)
	}
	t, err := metainfo.Parse(raw, metainfo.HardLimits())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	v.torrent, v.Infohash = &t, t.Infohash
	if content != "" {
		v.content, err = audit.OpenContent(v.torrent, content)
	}
	return err
}

func (v *verifier) run(ctx context.Context, s *session) (err error) {
	if v.info, err = v.market.Rules(ctx); err != nil {
		return err
	}
	if err := v.read(ctx); err != nil {
		return err
	}
	if v.lease.Infohash != v.torrent.Infohash {
		v.isFalse("the lease is for %s, and your .torrent is %s", v.lease.Infohash, v.torrent.Infohash)
		return nil
	}
	v.holds("the lease is for your .torrent, %s", v.torrent.Infohash)
	if err := v.root(ctx); err != nil {
		return err
	}
	if v.vault, err = s.solidVault(ctx, v.info); err != nil {
		v.unchecked("anything on the chain: %v", err)
	} else {
		defer func() { err = errors.Join(err, v.vault.Close()) }()
	}
	if err := v.replay(ctx); err != nil {
		return err
	}
	v.pay()
	return v.cheques(ctx)
}

// root holds what the agent committed to against the copy.
func (v *verifier) root(ctx context.Context) error {
	if v.content == nil || v.lease.Root.IsZero() || v.torrent.TellsRoots() {
		return nil
	}
	switch root, err := v.content.Root(ctx); {
	case ctx.Err() != nil:
		return err
	case err != nil:
		v.unchecked("the root that the agent committed to: %v", err)
	case root != v.lease.Root:
		v.isFalse("the agent committed to %s, and the root of your copy is %s", v.lease.Root, root)
	default:
		v.holds("the agent committed to the root of your copy, %s", root)
	}
	return nil
}

// read reads the lease and its proofs as of one moment: it may be paid while we read.
func (v *verifier) read(ctx context.Context) (err error) {
	for was := int64(-1); err == nil && was != v.lease.Verified; {
		if v.lease, err = v.market.Lease(ctx, v.Lease); err != nil {
			return err
		}
		was = v.lease.Verified
		v.proofs, err = v.market.Proofs(ctx, client.ProofFilter{Lease: v.Lease, Most: proofsMax})
		if err == nil {
			v.lease, err = v.market.Lease(ctx, v.Lease)
		}
	}
	slices.Reverse(v.proofs)
	return err
}

// proofsMax bounds how many epochs a lease can have: 540 days of 6 hours are 2,160.
const proofsMax = 100_000

// solidVault opens the market's vault on a node of --tron, if that follows the market's chain.
func (s *session) solidVault(ctx context.Context, info marketplace.MarketInfo) (*escrow.Vault, error) {
	v, err := escrow.Dial(ctx, escrow.Config{GRPC: s.tron, APIKey: s.getenv(apiKeyVariable),
		Token: info.Token, Vault: info.Vault})
	if err != nil {
		return nil, err
	}
	domain, err := v.Domain(ctx)
	if err == nil && domain.ChainID != info.ChainID {
		err = marketplace.Conflict.Errorf("%s follows chain %d, the market is on %d", s.tron, domain.ChainID,
			info.ChainID)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// counts says whether pay follows from an epoch: it was paid, or it showed the root that others were paid by.
func (v *verifier) counts(p marketplace.Proof) bool {
	return p.Seconds > 0 || v.lease.CleanMin > 0 && p.Epoch < v.info.Rules.EpochAt(v.lease.ActiveAt)
}

// replay recomputes every epoch that pay follows from.
func (v *verifier) replay(ctx context.Context) error {
	var sum audit.Replay
	for _, p := range v.proofs {
		if !v.counts(p) {
			continue
		}
		r, err := v.replayOne(ctx, p.Epoch)
		if err != nil {
			return fmt.Errorf("epoch %d: %w", p.Epoch, err)
		}
		v.Epochs = append(v.Epochs, r)
		sum.Reports, sum.Due = sum.Reports+r.Reports, sum.Due+r.Due
		sum.Answers, sum.Proven, sum.Agreed = sum.Answers+r.Answers, sum.Proven+r.Proven,
			sum.Agreed+r.Agreed
		for _, f := range r.Faults {
			if f.Kind == audit.Missing { // the others' word was enough
				v.unchecked("epoch %d: auditor %s %s", p.Epoch, f.Auditor, f.Detail)
				continue
			}
			v.isFalse("epoch %d: %s: %s %s", p.Epoch, f.Kind, f.Auditor, f.Detail)
		}
		for _, why := range r.Unchecked {
			v.unchecked("epoch %d: %s", p.Epoch, why)
		}
	}
	if len(v.Epochs) == 0 {
		v.unchecked("the lease was not paid for any epoch yet")
		return nil
	}
	if len(v.False) == 0 {
		which := "paid epochs"
		if v.lease.CleanMin > 0 {
			which = "paid epochs and those that showed its root"
		}
		v.holds("%d %s replay: %d of %d reports that were due%s", len(v.Epochs), which, sum.Reports, sum.Due,
			v.comparedOnly())
	}
	v.answers(sum)
	return nil
}

// comparedOnly is what has to be added to every word of answers when nothing here tells their hashes.
func (v *verifier) comparedOnly() string {
	if v.content != nil || v.torrent.V2 {
		return ""
	}
	return ", what they say of the content only compared between auditors"
}

// answers says what the hashes show.
func (v *verifier) answers(sum audit.Replay) {
	if sum.Proven > 0 {
		v.holds("%d of %d passed answers have the one right hash", sum.Proven, sum.Answers)
	}
	rest := sum.Answers - sum.Proven
	switch {
	case rest == 0:
	case v.content != nil:
		v.unchecked("%d answers: your copy lacks what they are of", rest)
	case v.torrent.V2:
		v.unchecked("%d answers are single blocks, of which the .torrent tells no hash (%d agree with another"+
			" auditor's); --content checks them", rest, sum.Agreed)
	default:
		v.unchecked("whether the agent sent the right content: a v1 .torrent tells no hash that the %d answers"+
			" carry, so auditors were only compared with one another (%d answers agree with another's, %d nobody"+
			" else saw); give your copy with --content", rest, sum.Agreed, rest-sum.Agreed)
	}
}

// replayOne recomputes an epoch as far as the lease goes. Only if what is said of it does not bear the
// verdict, all that is said in the epoch is read: an accuser may not be believed.
func (v *verifier) replayOne(ctx context.Context, epoch int64) (r audit.Replay, err error) {
	for _, lease := range []int64{v.Lease, 0} {
		c := audit.Case{Rules: v.info.Rules, At: time.Now(), Lease: v.Lease, Signer: escrow.RecoverText,
			Torrents: map[marketplace.Infohash]*metainfo.Torrent{v.torrent.Infohash: v.torrent},
			Content:  map[marketplace.Infohash]*audit.Content{v.torrent.Infohash: v.content}}
		if c.Log, err = v.market.EpochLog(ctx, epoch, lease); err != nil {
			return r, err
		}
		r = c.Judge()
		if lease != 0 {
			if err := v.block(ctx, c.Log.Epoch, &r); err != nil {
				return r, err
			}
		}
		if !slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return f.Kind == audit.BadVerdict }) {
			break
		}
	}
	return r, nil
}

// block holds the epoch's block against the chain.
func (v *verifier) block(ctx context.Context, e marketplace.AuditEpoch, r *audit.Replay) error {
	if v.vault == nil {
		return nil
	}
	err := v.vault.CheckFirst(ctx, v.info.Rules.EpochStart(e.Epoch), e.Block, e.Hash)
	if errors.Is(err, marketplace.Conflict) {
		v.isFalse("epoch %d: %v", e.Epoch, err)
		return nil
	}
	return err
}

func (v *verifier) draw(w io.Writer) error {
	t := terminal.Table{Header: []string{">EPOCH", ">REPORTS", ">ANSWERS", ">PROVEN", ">AGREED", ">CARRIED",
		">FAULTS"}}
	for _, r := range v.Epochs {
		t.Add(r.Epoch, fmt.Sprintf("%d/%d", r.Reports, r.Due), r.Answers, r.Proven, r.Agreed,
			fmt.Sprintf("%d/%d", r.Carried, r.Carriable), len(r.Faults))
	}
	if len(t.Rows) > 0 {
		if err := t.Write(w); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		word  string
		lines []string
	}{{"holds      ", v.Holds}, {"FALSE      ", v.False}, {"not checked", v.Unchecked}} {
		for _, line := range part.lines {
			if _, err := fmt.Fprintf(w, "%s  %s\n", part.word, line); err != nil {
				return err
			}
		}
	}
	return nil
}
