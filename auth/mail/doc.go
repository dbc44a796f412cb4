// Package mail renders the messages of package auth and sends them: SMTP by a
// mail server, Log to a log while a program is being written. Both are an
// auth.Mailer. A host with a mail service of its own calls Render, or writes its
// own words, in a Mailer of its own.
package mail
