//go:build !linux

package sqlite

import "errors"

// openWalIndex is for Linux, where a process can tell which files it has open.
func openWalIndex(string) (*walIndex, error) { return nil, errors.ErrUnsupported }
