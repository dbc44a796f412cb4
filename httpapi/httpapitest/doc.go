// Package httpapitest serves the API for tests: in memory, with a clock that
// moves only when told, captured mail and a GitHub to link with. New is for tests
// in Go, Standin for everybody else: it has control endpoints under /_standin/,
// and examples/standin is the program around it.
//
// # World files
//
// Both begin with a world, a fixture in JSON in which names stand for ids:
//
//	{
//	  "mail": true,
//	  "options": {"identity_change": "with_password", "login_failure_limit": 30, "uninstall_on_last_reference": false,
//	    "public_url": "https://app.example.com"},
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
//	  "autonomy": {"alice": {"autostart_priority": "P2"}},
//	  "integrations": [{"user": "alice", "installation_id": "12345", "repository_selection": "selected",
//	    "account": {"type": "User", "name": "octocat"}, "github_user": {"login": "octocat", "id": 99}, "age_seconds": 0,
//	    "installation_token_age_seconds": 0, "snapshot": {"repositories": [{"id": 1, "name": "web", "full_name": "octocat/web"}], "age_seconds": 60}}],
//	  "team_integrations": [{"team": "web", "installation_id": "12345", "created_by": "alice", "connecting_user_github_login": "octocat"}],
//	  "install_requests": [{"user": "alice", "github_user_id": 99, "github_login": "octocat", "status": "pending"}],
//	  "github": {"app": {"client_id": "Iv1.x", "client_secret": "s", "slug": "acme-dev", "webhook_secret": ""},
//	    "users": {"octocat": {"id": 99, "installations": ["12345"]}},
//	    "installations": {"12345": {"account": {"type": "User", "login": "octocat"}, "repository_selection": "selected", "repositories": 3}},
//	    "branches": {"acme/web": {"names": ["main", "dev"], "default": "main"}},
//	    "codes": {"code_1": {"user": "octocat", "redirect_uri": "https://app.example.com/complete/github-link/"}}}
//	}
//
// Every member is optional, except the address of a user, the organization of a
// team or invite, the owner of a key, the team of a dashboard, user or team and
// installation of an integration, and the user of an install request. Absent
// members of a user take the defaults of a new account: active, no staff, no
// password, is_email_verified null, and no current organization or team. What is
// not set or null there is not filled in on load; the API does so when it reads
// the user. An absent "mail" means that mail is not configured, an absent name of an
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
// # GitHub
//
// "github" is the state of the fake GitHub, in the form of a githubtest.State.
// Its App is the App of the API too: without "app", or without "github", that of
// githubtest.NewApp; null is none, and what an App does not say is not
// configured. Its pages lead back to the public URL.
//
// An integration has live tokens, whether or not the fake knows the installation:
// an installation token of the age that is given, which GitHub takes for an hour,
// and a new user token if there is a "github_user". Without a snapshot, and with
// one whose "age_seconds" is null, there is no usable list of repositories.
// Members of a repository that a list does not keep are skipped. A program other
// than a stand-in that loads a world has another GitHub: it ignores "github", and
// its integrations have no tokens until they are used.
//
// # Names and errors
//
// Users, teams and dashboards are numbered from 1 in the order of the file, and
// what the API sorts by time keeps that order too. Unknown members, members that
// occur twice, wrong types, names that stand for nothing and values that break a
// rule are a Refusal with the path of the culprit.
package httpapitest
