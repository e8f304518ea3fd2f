package audit

import (
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/metainfo"
)

// A proof is what a block waits for, when its SHA-256 is not known: the hashes that lead from it to a
// root that is. Or it is a path: what came is right, and by these hashes the peer shows that the root that
// it committed to has it.
type proof struct {
	request metainfo.HashRequest
	path    bool
	asked   bool
	lost    bool             // it will not come
	content []byte           // of the block, when that came first
	has     marketplace.Hash // what the root has, of a path; zero: it is not here yet
	came    bool             // what was asked for is here and right, of a path
}

// proofsAhead is how many proofs are asked for at a time: agents let no more wait than twice that.
const proofsAhead = 16

// A way is how a peer gives hashes of blocks.
type way int

const (
	unsettled     way = iota // it may yet say so
	noWay                    // a hybrid, met by its v1 half: libtorrent hangs up on who asks there
	byBEP52                  // stock clients that have a v2 torrent
	byOwnMessages            // agents: metainfo.HashesExtension
)

// ourHashes is the number under which we want metainfo.HashesExtension.
const ourHashes = 4

// wantProofs prepares to ask for paths, and for the proofs of blocks whose hash is not known. What is
// a tree of its own is its root, and a block of a v1 torrent that nobody committed to has no proof.
func (p *probe) wantProofs() {
	for of := range p.asks {
		c := &p.asks[of]
		path := c.Path && (isWhole(*c) || !c.Leaf.IsZero())
		if !path && (isWhole(*c) || !c.Leaf.IsZero()) {
			continue
		}
		request, ok := p.t.AskProof(c.Piece, c.Block)
		switch is, alone := p.t.CheckProof(c.Piece, c.Block, nil); {
		case alone && !path:
			c.Leaf = is
		default:
			p.proofs[of] = &proof{request: request, path: path, asked: !ok || alone, lost: !ok, has: is}
		}
	}
}

// settleWay decides how to ask for hashes, when the peer has said what it speaks, or lets us
// download without having said so.
func (p *probe) settleWay(w *wire) {
	switch {
	case p.way != unsettled:
	case p.hashesAs != 0:
		p.way = byOwnMessages
	case w.ext && !p.introduced && !p.open:
	case !p.t.V1:
		p.way = byBEP52
	default:
		p.way = noWay
	}
}

// prove asks for the proofs that are still wanted.
func (p *probe) prove(w *wire) error {
	if len(p.proofs) == 0 {
		return nil
	}
	p.settleWay(w)
	ahead := 0
	for _, of := range slices.Sorted(maps.Keys(p.proofs)) {
		one := p.proofs[of]
		if one.asked && !one.lost && one.has.IsZero() {
			ahead++
		}
	}
	for _, of := range slices.Sorted(maps.Keys(p.proofs)) {
		one := p.proofs[of]
		if one.asked || p.way == unsettled || ahead >= proofsAhead {
			continue
		}
		one.asked, one.lost = true, p.way == noWay
		ahead++
		var err error
		switch p.way {
		case byBEP52:
			err = w.send(metainfo.HashRequestMessage, one.request.Append(nil))
		case byOwnMessages:
			err = w.send(msgExtended, one.request.Append([]byte{p.hashesAs, metainfo.HashRequestMessage}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hearExtended takes in a BEP 10 message.
func (p *probe) hearExtended(payload []byte) {
	switch {
	case len(payload) > 0 && payload[0] == 0:
		p.introduced = true
		p.hashesAs = metainfo.ExtensionID(payload[1:], metainfo.HashesExtension)
		if p.in != nil {
			p.in.peerAs = metainfo.ExtensionID(payload[1:], metainfo.QuietExtension)
		}
	case len(payload) > 1 && payload[0] == ourHashes:
		p.hearHashes(int(payload[1]), payload[2:])
	case len(payload) > 1 && payload[0] == ourQuiet && p.in != nil:
		p.in.hear(payload[1:])
	}
}

// hearHashes takes in an answer to a hash request. Hashes that lead nowhere are as good as none.
func (p *probe) hearHashes(kind int, payload []byte) {
	request, rest, ok := metainfo.ParseHashRequest(payload)
	if !ok {
		return
	}
	var hashes []marketplace.Hash
	for ; len(rest) >= sha256.Size; rest = rest[sha256.Size:] {
		hashes = append(hashes, marketplace.Hash(rest))
	}
	for of, one := range p.proofs {
		if !one.asked || one.lost || one.request != request {
			continue
		}
		leaf, right := p.t.CheckProof(p.asks[of].Piece, p.asks[of].Block, hashes)
		if kind != metainfo.HashesMessage || !right {
			one.lost = true
			continue
		}
		if one.path {
			one.has = leaf
			p.confirm(of)
			continue
		}
		p.asks[of].Leaf = leaf
		delete(p.proofs, of)
		if one.content != nil {
			p.verdict(of, p.answers[of].Hash == leaf)
		}
	}
}

// confirm passes what came and is right, if the peer's root has it. A root that has something else was
// made up, and the peer has proven that: the answer's hash is what it committed to.
func (p *probe) confirm(of int) {
	one := p.proofs[of]
	if !one.came || one.has.IsZero() {
		return
	}
	delete(p.proofs, of)
	a := &p.answers[of]
	right := one.has == a.Hash
	a.Hash = one.has
	p.verdict(of, right)
}

// await says whether proofs may yet come, and until when to wait for them. It is called when
// nothing else is missing.
func (p *probe) await(deadline time.Time) (until time.Time, wait bool) {
	if p.patience.IsZero() {
		p.patience = time.Now().Add(time.Until(deadline) / 2)
	}
	for _, one := range p.proofs {
		if !one.lost && one.has.IsZero() && time.Now().Before(p.patience) {
			return p.patience, true
		}
	}
	return deadline, false
}

// insist asks for the whole piece of every block that the peer does not prove: nobody gains by
// giving no proofs. What does not fit any more is left out, as where blocks of a v1 torrent are not
// known (see Challenges). A path that is missing proves nothing, but nobody passes without; neither does a
// block of a root that is not believed yet.
func (p *probe) insist() {
	came := map[[2]int][]byte{} // by piece and begin
	for of, one := range p.proofs {
		if one.path || p.asks[of].Path {
			delete(p.proofs, of)
			p.leaveUnproven(of)
			continue
		}
		came[[2]int{p.asks[of].Piece, p.asks[of].Block * metainfo.BlockSize}] = one.content
	}
	for _, of := range slices.Sorted(maps.Keys(p.proofs)) {
		delete(p.proofs, of)
		whole := Challenge{Piece: p.asks[of].Piece, Block: marketplace.WholePiece}
		size := p.t.PieceSize(whole.Piece)
		if slices.ContainsFunc(p.asks, whole.same) || size > p.left && slices.ContainsFunc(p.asks, isWhole) {
			p.dropped[of] = true
			continue
		}
		p.left -= size
		p.asks[of] = whole
		p.answers[of] = marketplace.Answer{Piece: whole.Piece, Block: marketplace.WholePiece}
		first := len(p.blocks)
		p.cut(whole.Piece, 0, int(size), of)
		p.reuse(first, came)
	}
	p.drain()
}

func (p *probe) leaveUnproven(of int) {
	a := &p.answers[of]
	a.Outcome, a.TookMS = marketplace.Timeout, time.Since(p.began).Milliseconds()
	delete(p.learnt, a.Piece)
	p.unproven = true
}

// same says whether another challenge is for the same.
func (c Challenge) same(other Challenge) bool {
	return c.Piece == other.Piece && c.Block == other.Block
}

func isWhole(c Challenge) bool { return c.Block == marketplace.WholePiece }

// reuse spares a peer from being asked twice for a block that it sent: some hang up on that.
func (p *probe) reuse(first int, came map[[2]int][]byte) {
	for i := first; i < len(p.blocks); i++ {
		b := &p.blocks[i]
		if content := came[[2]int{b.piece, b.begin}]; len(content) == b.length {
			b.done, p.early[i] = true, content
		}
	}
}

// report returns the answers but those to challenges that were dropped.
func (p *probe) report() (answers []marketplace.Answer) {
	for of, a := range p.answers {
		if !p.dropped[of] {
			answers = append(answers, a)
		}
	}
	return answers
}
