// Package passkey registers and checks passkeys by WebAuthn Level 3, for package
// auth, which keeps them and says what they are good for. It is a package of its
// own because of the library that it needs: a host without passkeys does not
// compile it.
//
// Attestation is not asked for: whoever registers a passkey is signed in already,
// and the make of the authenticator is of no concern. What an authenticator sends
// about itself is kept all the same.
package passkey
