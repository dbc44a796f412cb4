// Package httpapitest serves the API for tests: in memory, with a clock that
// moves only when told and captured mail. New is for tests in Go, Standin for
// everybody else: it has control endpoints under /_standin/, and
// examples/standin is the program around it.
//
// # World files
//
// Both begin with a world, a fixture in JSON in which names stand for ids:
//
//	{
//	  "mail": true,
//	  "options": {"identity_change": "with_password", "login_failure_limit": 30, "public_url": "https://app.example.com"},
//	  "organizations": {"acme": {"name": "Acme", "enforce_2fa": false, "sso_enforced_domains": []}},
//	  "teams": {"web": {"organization": "acme", "name": "Web", "api_token": "token123"}},
//	  "users": {"alice": {"email": "alice@example.com", "password": "testpassword12345", "first_name": "Alice", "last_name": "",
//	    "is_staff": false, "is_active": true, "is_email_verified": true, "pending_email": null,
//	    "memberships": {"acme": 1}, "current_organization": "acme", "current_team": "web",
//	    "totp": true, "backup_codes": ["abcdefgh"], "passkeys": [{"verified": true}], "passkeys_enabled_for_2fa": false,
//	    "linked_identities": [{"provider": "github", "login": "octocat"}], "hedgehog_config": null, "credentials_reviewed": true}},
//	  "api_keys": {"k1": {"owner": "alice", "label": "Test", "scopes": ["user:read"], "scoped_teams": [], "scoped_organizations": []}},
//	  "invites": {"i1": {"organization": "acme", "target_email": "x@example.com", "age_days": 0}},
//	  "dashboards": {"d1": {"team": "web"}},
//	  "autonomy": {"alice": {"autostart_priority": "P2"}}
//	}
//
// Every member is optional, except the address of a user, the organization of a
// team or invite, the owner of a key and the team of a dashboard. Absent members
// of a user take the defaults of a new account: active, no staff, no password,
// is_email_verified null, and no current organization or team. What is not set
// or null there is not filled in on load; the API does so when it reads the
// user. An absent "mail" means that mail is not configured, an absent name of an
// organization or team is the name in the file.
//
// "totp" is a confirmed authenticator with a random secret, whose codes
// POST /_standin/totp tells; backup codes come with one or not at all. Passkeys
// count, but nobody has their authenticators.
//
// Passwords and backup codes are not held to the rules. Null is no password, and so is
// "!unusable". Addresses keep their spelling. A membership is a level: 1, 8 or
// 15.
//
// Users, teams and dashboards are numbered from 1 in the order of the file, and
// what the API sorts by time keeps that order too. Unknown members, members that
// occur twice, wrong types, names that stand for nothing and values that break a
// rule are a Refusal with the path of the culprit.
package httpapitest
