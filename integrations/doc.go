// Package integrations holds what users link elsewhere: their installations of
// a GitHub App.
package integrations
