package metainfo

import (
	"bytes"
	"iter"

	"github.com/everseed/everseed/marketplace"
)

// A value is the bencoding of one string, integer, list or dictionary that scan has passed: the
// methods below rely on its form and check no bounds.
type value []byte

// scan walks raw once, without recursion, and refuses anything but one canonical value: keys
// strictly ascending, integers and lengths without leading zeros, nothing behind the end.
// Everything that decodes relies on it.
func scan(raw []byte, l Limits) error {
	if len(raw) > l.Bytes {
		return refuse("has %d bytes; at most %d", len(raw), l.Bytes)
	}
	s := scanner{raw: raw, stack: make([]frame, 0, l.Depth)}
	for tokens := 0; ; tokens++ {
		if tokens > l.Tokens {
			return refuse("has more than %d values", l.Tokens)
		}
		if err := s.token(l.Depth); err != nil {
			return err
		}
		if len(s.stack) == 0 {
			break
		}
	}
	if s.at != len(raw) {
		return refuse("has %d bytes behind its end", len(raw)-s.at)
	}
	return nil
}

type scanner struct {
	raw   []byte
	at    int
	stack []frame
}

// A frame is a list or dictionary that is still open.
type frame struct {
	dict     bool
	afterKey bool // the next token is a value
	lastKey  []byte
	any      bool // a key was seen
}

// token reads one token: a whole string or integer, the beginning of a container, or its end.
func (s *scanner) token(depth int) error {
	if s.at >= len(s.raw) {
		return refuse("ends in the middle")
	}
	c := s.raw[s.at]
	if c == 'e' && len(s.stack) > 0 {
		return s.leave()
	}
	top := s.top()
	if top != nil && top.dict && !top.afterKey {
		return s.key(top)
	}
	if top != nil {
		top.afterKey = false
	}
	switch {
	case c == 'd' || c == 'l':
		if len(s.stack) >= depth {
			return refuse("nests deeper than %d", depth)
		}
		s.stack = append(s.stack, frame{dict: c == 'd'})
		s.at++
		return nil
	case c == 'i':
		return s.integer()
	default:
		_, err := s.text()
		return err
	}
}

func (s *scanner) top() *frame {
	if len(s.stack) == 0 {
		return nil
	}
	return &s.stack[len(s.stack)-1]
}

func (s *scanner) leave() error {
	if s.top().afterKey {
		return refuse("has a key without a value at byte %d", s.at)
	}
	s.stack = s.stack[:len(s.stack)-1]
	s.at++
	return nil
}

func (s *scanner) key(in *frame) error {
	at := s.at
	k, err := s.text()
	if err != nil {
		return err
	}
	if in.any && bytes.Compare(k, in.lastKey) <= 0 {
		return refuse("has keys out of order or twice at byte %d", at)
	}
	in.any, in.afterKey, in.lastKey = true, true, k
	return nil
}

// digitsMax keeps lengths and integers inside an int64.
const digitsMax = 18

func (s *scanner) text() ([]byte, error) {
	n, start := 0, s.at
	for s.at < len(s.raw) && s.raw[s.at] >= '0' && s.raw[s.at] <= '9' {
		n = n*10 + int(s.raw[s.at]-'0')
		if s.at++; s.at-start > digitsMax {
			return nil, refuse("has a length beyond its end at byte %d", start)
		}
	}
	switch {
	case s.at == start || s.at >= len(s.raw) || s.raw[s.at] != ':':
		return nil, refuse("is not bencoded at byte %d", start)
	case s.raw[start] == '0' && s.at-start > 1:
		return nil, refuse("has a length with a leading zero at byte %d", start)
	case n > len(s.raw)-s.at-1:
		return nil, refuse("has a length beyond its end at byte %d", start)
	}
	s.at += 1 + n
	return s.raw[s.at-n : s.at], nil
}

func (s *scanner) integer() error {
	start := s.at
	s.at++
	if s.at < len(s.raw) && s.raw[s.at] == '-' {
		s.at++
	}
	first := s.at
	for s.at < len(s.raw) && s.raw[s.at] >= '0' && s.raw[s.at] <= '9' {
		s.at++
	}
	digits := s.raw[first:s.at]
	bad := len(digits) == 0 || len(digits) > digitsMax || s.at >= len(s.raw) || s.raw[s.at] != 'e' ||
		(digits[0] == '0' && s.at-start > 2)
	if bad {
		return refuse("has a bad integer at byte %d", start)
	}
	s.at++
	return nil
}

// end returns the length of the value that b begins with.
func end(b []byte) int {
	open, at := 0, 0
	for {
		switch c := b[at]; c {
		case 'd', 'l':
			open++
			at++
		case 'e':
			open--
			at++
		case 'i':
			at += bytes.IndexByte(b[at:], 'e') + 1
		default:
			n := 0
			for ; b[at] != ':'; at++ {
				n = n*10 + int(b[at]-'0')
			}
			at += 1 + n
		}
		if open == 0 {
			return at
		}
	}
}

// text returns a string's bytes; ok is false for anything else, also for no value.
func (v value) text() (text []byte, ok bool) {
	if len(v) == 0 || v[0] < '0' || v[0] > '9' {
		return nil, false
	}
	return v[bytes.IndexByte(v, ':')+1:], true
}

func (v value) integer() (n int64, ok bool) {
	if len(v) == 0 || v[0] != 'i' {
		return 0, false
	}
	digits := v[1 : len(v)-1]
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

func (v value) isDict() bool { return len(v) > 0 && v[0] == 'd' }
func (v value) isList() bool { return len(v) > 0 && v[0] == 'l' }

// items yields a list's values, none for anything else.
func (v value) items() iter.Seq[value] {
	return func(yield func(value) bool) {
		if !v.isList() {
			return
		}
		for rest := v[1:]; rest[0] != 'e'; {
			n := end(rest)
			if !yield(rest[:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// entries yields a dictionary's keys and values, none for anything else.
func (v value) entries() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		if !v.isDict() {
			return
		}
		for rest := v[1:]; rest[0] != 'e'; {
			n := end(rest)
			key, _ := rest[:n].text()
			rest = rest[n:]
			n = end(rest)
			if !yield(key, rest[:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// fields returns the values of the named keys, in order, nil where a key is absent.
func (v value) fields(names ...string) []value {
	found := make([]value, len(names))
	for key, val := range v.entries() {
		for i, name := range names {
			if string(key) == name {
				found[i] = val
			}
		}
	}
	return found
}

// refuse returns what is wrong with a torrent.
func refuse(format string, args ...any) error {
	return marketplace.Invalid.Errorf("torrent "+format, args...)
}
