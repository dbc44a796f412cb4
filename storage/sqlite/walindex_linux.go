package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// openWalIndex maps the WAL index of the file at path, which a connection of this
// process must have open until it is closed. To open it anew is no way: closing
// any descriptor of a file ends all locks of the process on it, SQLite's too. So
// it is mapped by the descriptor that SQLite has.
func openWalIndex(path string) (*walIndex, error) {
	fd, err := descriptor(path + "-shm")
	if err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(fd, 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	unmap := func() error { return syscall.Munmap(memory) }
	pair, err := headers(memory)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	return newWalIndex(pair, unmap)
}

// descriptor finds the one under which this process has a file open.
func descriptor(path string) (int, error) {
	path, err := filepath.EvalSymlinks(path) // as SQLite does
	if err != nil {
		return 0, err
	}
	var want syscall.Stat_t
	if err := syscall.Stat(path, &want); err != nil {
		return 0, err
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			return 0, err
		}
		var is syscall.Stat_t
		// One that is closed by now is not the one.
		if syscall.Fstat(fd, &is) == nil && is.Dev == want.Dev && is.Ino == want.Ino {
			return fd, nil
		}
	}
	return 0, errors.New("the WAL index is not open")
}
