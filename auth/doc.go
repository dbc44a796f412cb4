// Package auth decides who is calling and by what proof, and changes the
// credentials of users: passwords, second factors, passkeys, sessions, personal
// API keys and OAuth access tokens.
//
// A Principal is read from the store in every request that needs it. Secrets
// that are only compared are stored as SHA-256; passwords as argon2id. A change
// of credentials and its consequences, such as the end of other sessions, are
// one transaction.
package auth
