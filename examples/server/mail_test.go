package main

import (
	"strings"
	"testing"
)

func TestMailer(t *testing.T) {
	const server, from = "smtp://user:s3cret@mail.example.com", "Acme <no-reply@acme.example>"
	if m, err := mailer("", ""); m != nil || err != nil {
		t.Errorf("without settings: got %v, %v, want nothing", m, err)
	}
	if m, err := mailer(server, from); m == nil || err != nil {
		t.Errorf("with settings: got %v, %v, want a sender", m, err)
	}
	for _, pair := range [][2]string{{server, ""}, {"", from}, {"http://u:s3cret@h", from}, {server, "nobody"}} {
		m, err := mailer(pair[0], pair[1])
		if m != nil || err == nil || !strings.Contains(err.Error(), smtpVariable) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: got %v, %v, want an error that names the variable", pair, m, err)
		}
	}
}
