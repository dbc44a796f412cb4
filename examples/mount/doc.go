// Command mount is a server of files that got accounts: the whole API, in as few
// lines as that takes. The README shows it.
package main
