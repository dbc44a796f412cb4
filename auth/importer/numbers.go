package importer

import (
	"hash/maphash"
	"sort"
)

// numbers says which ids here belong to the numbers of a file. Numbers that come in
// their order and in step with the ids take no memory.
type numbers struct {
	spans  []span
	others map[int64]int64
}

// span is the numbers from first to last, whose ids go up from id.
type span struct{ first, last, id int64 }

func (n *numbers) add(number, id int64) {
	if _, known := n.get(number); known {
		return
	}
	end := len(n.spans) - 1
	switch {
	case end >= 0 && n.spans[end].last+1 == number && n.spans[end].id+number-n.spans[end].first == id:
		n.spans[end].last = number
	case end < 0 || n.spans[end].last < number:
		n.spans = append(n.spans, span{number, number, id})
	default:
		if n.others == nil {
			n.others = map[int64]int64{}
		}
		n.others[number] = id
	}
}

func (n *numbers) get(number int64) (id int64, ok bool) {
	if id, ok := n.others[number]; ok {
		return id, true
	}
	i := sort.Search(len(n.spans), func(i int) bool { return n.spans[i].last >= number })
	if i == len(n.spans) || n.spans[i].first > number {
		return 0, false
	}
	return n.spans[i].id + number - n.spans[i].first, true
}

// seen has what the lines of a dry run would claim, each as a sum of 64 bits. A nil
// one has nothing.
type seen struct {
	seed maphash.Seed // which makes these sums differ from those of another run
	sums map[uint64]struct{}
}

func newSeen() *seen { return &seen{maphash.MakeSeed(), map[uint64]struct{}{}} }

func (s *seen) sumOf(kind, value string) uint64 { return maphash.String(s.seed, kind+"\x00"+value) }

func (s *seen) has(kind, value string) bool {
	if s == nil {
		return false
	}
	_, ok := s.sums[s.sumOf(kind, value)]
	return ok
}

func (s *seen) add(kind, value string) {
	if s != nil {
		s.sums[s.sumOf(kind, value)] = struct{}{}
	}
}
