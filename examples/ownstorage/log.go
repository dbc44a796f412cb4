package ownstorage

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Open opens the file at path, which it creates with mode 0600, and reads all of
// it. A last line without its end belongs to a commit that nobody was told of, and
// is cut off.
func Open(path string) (*Store, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Store{file: f, writer: make(chan struct{}, 1)}
	s.look = s.published
	now := newState()
	end, err := replay(f, now)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	s.state.Store(now)
	return s, nil
}

// replay applies commits, and returns where the last one ends.
func replay(f io.Reader, now *state) (end int64, err error) {
	lines, rows := bufio.NewReader(f), now.loaders()
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		} else if err != nil {
			return 0, err
		}
		var changes []change
		if err := json.Unmarshal(line, &changes); err != nil {
			return 0, fmt.Errorf("commit at %d: %w", end, err)
		}
		for _, c := range changes {
			load, ok := rows[c.Table]
			if !ok {
				return 0, fmt.Errorf("commit at %d: there is no table %s", end, c.Table)
			}
			if err := load(c); err != nil {
				return 0, fmt.Errorf("commit at %d: %s: %w", end, c.Table, err)
			}
		}
		end += int64(len(line))
	}
}

// append writes a commit, and returns when it is on disk. What it cannot write
// whole it takes away again. If even that fails, the store refuses to go on: what is
// in the file is no longer known.
func (s *Store) append(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	line, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	before, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err = s.file.Write(append(line, '\n')); err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		return nil
	}
	_, seekErr := s.file.Seek(before, io.SeekStart)
	if undone := errors.Join(s.file.Truncate(before), seekErr, s.file.Sync()); undone != nil {
		s.state.Store(nil)
		return errors.Join(err, undone)
	}
	return err
}

// Close makes later calls fail with users.ErrUnavailable. It waits for the
// transaction that runs.
func (s *Store) Close() error {
	s.writer <- struct{}{}
	defer func() { <-s.writer }()
	if s.state.Swap(nil) == nil {
		return nil
	}
	return s.file.Close()
}

// note adds a change to what will be written.
func (t *tx) note(c change, key, value any) {
	var keyErr, valueErr error
	c.Key, keyErr = json.Marshal(key)
	c.Value, valueErr = json.Marshal(value)
	t.broken = errors.Join(t.broken, keyErr, valueErr)
	t.changes = append(t.changes, c)
}

// load applies a change that was read.
func (m *table[K, V]) load(c change) error {
	var k K
	if err := json.Unmarshal(c.Key, &k); err != nil {
		return err
	}
	if c.Removed {
		delete(m.rows, k)
		return nil
	}
	var v V
	if err := json.Unmarshal(c.Value, &v); err != nil {
		return err
	}
	m.rows[k] = v
	return nil
}

// loadEvent applies a line of the activity log, or the removal of all up to one.
func (s *state) loadEvent(c change) error {
	if c.Removed {
		before := s.deletedEvents
		if err := json.Unmarshal(c.Key, &s.deletedEvents); err != nil {
			return err
		}
		s.events = slices.Clone(s.events[s.deletedEvents-before:])
		return nil
	}
	var e users.Event
	err := json.Unmarshal(c.Value, &e)
	s.events = append(s.events, e)
	return err
}
