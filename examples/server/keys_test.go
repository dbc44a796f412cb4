package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestEncryptionKeys(t *testing.T) {
	one, two := strings.Repeat("A", 43)+"=", strings.Repeat("B", 42)+"A="
	discard := slog.New(slog.DiscardHandler)
	keys, err := encryptionKeys(one+", "+two, "memory", discard)
	if err != nil || len(keys) != 2 || len(keys[0]) != 32 || keys[0][0] != 0 {
		t.Errorf("two keys of the environment: got %d keys, error %v", len(keys), err)
	}
	for _, text := range []string{"x", one + ",", one[:42] + "==", strings.TrimRight(one, "=")} {
		if _, err := encryptionKeys(text, "memory", discard); err == nil || !strings.Contains(err.Error(), keysVariable) {
			t.Errorf("%q: got error %v, want one that names the variable", text, err)
		}
	}
	first, _ := encryptionKeys("", "memory", discard)
	second, _ := encryptionKeys("", "memory", discard)
	if len(first) != 1 || reflect.DeepEqual(first, second) {
		t.Error("a store in memory gets the same key twice, or none")
	}
}

func TestEncryptionKeyFile(t *testing.T) {
	db := filepath.Join(t.TempDir(), "a.db")
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	found := make([][][]byte, 8)
	var wait sync.WaitGroup
	for n := range found {
		wait.Go(func() {
			var err error
			if found[n], err = encryptionKeys("", "sqlite:"+db, logger); err != nil {
				t.Errorf("encryptionKeys: %v", err)
			}
		})
	}
	wait.Wait()
	for _, keys := range found[1:] {
		if !reflect.DeepEqual(keys, found[0]) {
			t.Error("starting at once made different keys")
		}
	}
	if n := strings.Count(log.String(), "made an encryption key"); n != 1 || strings.Contains(log.String(), string(found[0][0])) {
		t.Errorf("the log says %d times that a key was made", n)
	}
	info, err := os.Stat(db + ".key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, %v, want 0600", info.Mode(), err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(db), ".hedgerow-key-*")); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := os.WriteFile(db+".key", []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := encryptionKeys("", db, logger); err == nil || !strings.Contains(err.Error(), ".key") {
		t.Errorf("a damaged file: got error %v, want one that names the file", err)
	}
}
