package sqlite

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"
)

// walIndex reads the header of the index of the write-ahead log, which SQLite keeps
// in memory that all processes share: each commit replaces it, and a connection
// believes what it has cached as long as it is the same. Reading it takes 20 ns,
// where "pragma data_version", which compares it too, takes 4 us, most of them in
// system calls that lock and unlock: a seventh of W1, a quarter of W3b.
//
// It numbers the states of the file, from one. A header that differs is a later
// state, but for what begins the log anew: that changes nothing in the database.
type walIndex struct {
	unmap func() error

	mu     sync.RWMutex // held for writing while memory goes
	memory *[2]walHeader
	last   atomic.Pointer[walState]
	next   sync.Mutex // held while last is replaced
}

// walHeader is WalIndexHdr of SQLite's wal.c. It lies there twice. Who reads takes
// the first before the second, who writes the other way round, so that two equal
// ones are whole.
type walHeader [12]uint32

// The members of a walHeader that are looked at.
const (
	walFormat   = 0 // walVersion
	walCommits  = 2 // how many there were
	walFrame    = 4 // the last one that counts, zero when the log begins anew
	walPages    = 5 // of the database
	walFrameSum = 6 // two checksums of all frames
	walSalt     = 8 // big endian: one more each time that the log begins anew

	walVersion = 3007000 // of the format, as it has been since there are such logs
)

type walState struct {
	header walHeader
	number uint64
}

// errTorn says that somebody is writing the header, or has died while doing so.
var errTorn = errors.New("the header of the WAL index is being written")

var errUnmapped = errors.New("the WAL index is closed")

// newWalIndex watches memory that has the header twice. unmap gives it back.
func newWalIndex(memory *[2]walHeader, unmap func() error) (*walIndex, error) {
	x := &walIndex{memory: memory, unmap: unmap}
	h, err := x.header()
	if err == nil && h[walFormat] != walVersion {
		err = errors.New("the WAL index has another format")
	}
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	x.last.Store(&walState{header: h, number: 1})
	return x, nil
}

// read returns the number of the present state, or errTorn.
func (x *walIndex) read() (uint64, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.memory == nil {
		return 0, errUnmapped
	}
	h, err := x.header()
	if err != nil {
		return 0, err
	}
	if s := x.last.Load(); s.header == h {
		return s.number, nil
	}
	return x.advance()
}

// advance numbers a state that is not the last one known.
func (x *walIndex) advance() (uint64, error) {
	x.next.Lock()
	defer x.next.Unlock()
	// Again, as others may have come further meanwhile.
	h, err := x.header()
	if err != nil {
		return 0, err
	}
	s := x.last.Load()
	if h == s.header {
		return s.number, nil
	}
	next := &walState{header: h, number: s.number}
	if !h.restarts(&s.header) {
		next.number++
	}
	x.last.Store(next)
	return next.number, nil
}

// header reads the header.
func (x *walIndex) header() (h walHeader, err error) {
	const attempts = 10 // writing it takes some 20 ns
	for range attempts {
		whole := true
		for i := range h {
			h[i] = atomic.LoadUint32(&x.memory[0][i])
		}
		for i := range h {
			whole = whole && h[i] == atomic.LoadUint32(&x.memory[1][i])
		}
		if whole {
			return h, nil
		}
	}
	return h, errTorn
}

// restarts reports the header with which a log begins anew whose frames are all in
// the database: the numbers of commits and the checksums of what was in the log
// are still those of before.
func (h *walHeader) restarts(before *walHeader) bool {
	return h[walFrame] == 0 && bigEndian(h[walSalt]) == bigEndian(before[walSalt])+1 && h[walCommits] == before[walCommits] &&
		h[walPages] == before[walPages] && h[walFrameSum] == before[walFrameSum] && h[walFrameSum+1] == before[walFrameSum+1]
}

// bigEndian is the number that a word of memory holds with its highest byte first.
func bigEndian(word uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], word)
	return binary.BigEndian.Uint32(b[:])
}

// close lets go of the memory.
func (x *walIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.memory == nil {
		return nil
	}
	x.memory = nil
	return x.unmap()
}

// headers are the two that memory begins with.
func headers(memory []byte) (*[2]walHeader, error) {
	if len(memory) < int(unsafe.Sizeof([2]walHeader{})) {
		return nil, errors.New("the WAL index is too short")
	}
	return (*[2]walHeader)(unsafe.Pointer(&memory[0])), nil
}
