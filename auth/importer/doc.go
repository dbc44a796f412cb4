// Package importer takes over accounts from a Django installation of the
// documented API: organizations, teams, users with their settings and password
// hashes, memberships, and API keys by their hash. docs/import.md describes the
// file, which is what Django's "dumpdata --format jsonl" writes.
//
// A file is read line by line, some hundred of which make one transaction. What is
// there already, by its UUID or id, stays as it is, so that an import which was cut
// off goes on when it is run again, and nothing comes twice. A line that is refused
// does not stop the others.
package importer
