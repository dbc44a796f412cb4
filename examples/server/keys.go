package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// keysVariable holds the encryption keys in base64, separated by commas, the
// newest first.
const keysVariable = "HEDGEROW_ENCRYPTION_KEYS"

// postgresKeyFile is in the working directory, as there is nothing beside a
// database on a server.
const postgresKeyFile = "hedgerow.key"

// encryptionKeys reads the keys from the environment's text. Without any it
// keeps one in a file beside the database, which it makes when it is missing.
func encryptionKeys(text, db string, log *slog.Logger) ([][]byte, error) {
	if text != "" {
		keys, err := parseKeys(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keysVariable, err)
		}
		return keys, nil
	}
	key := make([]byte, auth.EncryptionKeyBytes)
	rand.Read(key)
	if db == "memory" {
		return [][]byte{key}, nil // nothing outlives it
	}
	path := strings.TrimPrefix(db, "sqlite:") + ".key"
	if isPostgres(db) {
		path = postgresKeyFile
	}
	err := createKeyFile(path, key)
	if err == nil {
		log.Info("made an encryption key; keep a copy of it, but not with the backups of the database; other servers on this database need the same",
			slog.String("file", path))
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("encryption key: %w", err)
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("encryption key: %w", err)
	}
	keys, err := parseKeys(string(stored))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// createKeyFile makes the file whole or not at all: another process that starts
// at the same time never reads half a key. One that exists is fs.ErrExist.
func createKeyFile(path string, key []byte) error {
	if _, err := os.Stat(path); err == nil {
		return fs.ErrExist
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".hedgerow-key-") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, never replaces a file
	}
	return errors.Join(err, os.Remove(f.Name()))
}

func parseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(key) != auth.EncryptionKeyBytes {
			return nil, fmt.Errorf("each key must be %d bytes in base64", auth.EncryptionKeyBytes)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
