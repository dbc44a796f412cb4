package main

import (
	"os"
	"strings"
	"testing"
)

func Example() {
	main()
	// Output: Ann ann@example.com version 2
}

// TestREADME keeps the program in the README the one that is tested.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "package main")
	if !strings.Contains(string(readme), "package main"+code) {
		t.Error("the README does not show examples/minimal/main.go")
	}
	if n := strings.Count(string(program), "\n"); n >= 40 {
		t.Errorf("the program has %d lines, want fewer than 40", n)
	}
}
