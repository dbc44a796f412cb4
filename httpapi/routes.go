package httpapi

import (
	"net/http"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// access says who may call a route. The zero value refuses everybody, so that a
// forgotten one is a failing test and not a hole.
type access int

const (
	closed       access = iota
	anyone              // no login needed; a bad credential is refused all the same
	sessionOnly         // keys and tokens get 403
	sessionBlind        // keys and tokens are not even looked at: 401
	sessionOrKey        // keys and tokens need the scope of the route
	signed              // no login is looked at: the handler checks a signature of the raw body
)

// freshness says when a session must be recent.
type freshness int

const (
	anyAge    freshness = iota // also for what safe methods do
	fresh                      // always
	freshOnly                  // unless the body has nothing but harmless members
)

// limit is what bounds a route besides the general caps.
type limit int

const (
	unlimited        limit = iota
	byCredential           // requests that carry a current_password
	onboardingSkip         // every request
	verificationMail       // every request
	passwordReset          // every request
	linkStart              // every request
)

// target says whom the segment {user} may name. It is found before the body is
// judged (contract section 1.2).
type target int

const (
	noTarget   target = iota // there is no such segment
	byUUID                   // users.Service.Resolve
	byAnyID                  // users.Service.ResolveAny
	ownOnly                  // users.Service.ResolveSelf
	afterQuery               // byUUID, in the handler: a bad query is refused first
)

// route is one line of the API.
type route struct {
	method string
	path   string
	access access
	scope  string // for sessionOrKey
	fresh  freshness
	limit  limit
	target target
	// exempt from an organization's demand for a second factor when the target
	// is @me.
	exempt  bool
	handler handler
}

// other, in place of a method, stands for all methods that the path lacks. Such
// a row has no handler: it states the checks that come before "method not
// allowed". A path with one has no HEAD and no OPTIONS of its own.
const other = "*"

// routes is the whole API. Every path is served with and without a trailing
// slash; where there is no row for other, GET routes answer HEAD, and every path
// OPTIONS.
func (a *API) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		user     = "/api/users/{user}"
		autonomy = user + "/signal_autonomy"
		sessions = user + "/login_sessions"
		passkeys = user + "/passkeys"
		keys     = "/api/personal_api_keys"
		reset    = "/api/reset"

		linked       = user + "/integrations"
		github       = linked + "/github"
		installation = github + "/{installation}"
		// ServeMux refuses a literal here beside {installation}/repos, so this is a
		// wildcard that validSegments holds to the one word "install_requests".
		request = github + "/{requests}/{request}"
	)
	return []route{
		{get, "/api/users", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, a.listUsers},
		{get, user, sessionOrKey, "user:read", anyAge, unlimited, byUUID, true, a.getUser},
		{patch, user, sessionOrKey, "user:write", freshOnly, byCredential, byUUID, true, a.patchUser},
		{put, user, sessionOrKey, "user:write", freshOnly, byCredential, byUUID, true, a.putUser},
		{del, user, sessionBlind, "", fresh, unlimited, byUUID, true, a.deleteUser},
		{get, user + "/github_login", sessionOrKey, "user:read", anyAge, unlimited, byUUID, false, a.githubLogin},
		{get, user + "/hedgehog_config", sessionOrKey, "user:read", anyAge, unlimited, byUUID, false, a.getHedgehog},
		{patch, user + "/hedgehog_config", sessionOrKey, "user:write", anyAge, unlimited, byUUID, false, a.patchHedgehog},
		{post, user + "/scene_personalisation", sessionOnly, "", anyAge, byCredential, byUUID, false, a.personalise},
		{post, user + "/credentials_review_complete", sessionBlind, "", fresh, byCredential, ownOnly, false, a.completeReview},
		{post, user + "/onboarding/skip", sessionOnly, "", fresh, onboardingSkip, byUUID, false, a.skipOnboarding},
		{patch, user + "/product_intro_seen", sessionOrKey, "user:write", anyAge, byCredential, byUUID, false, a.seeIntro},
		{patch, "/api/users/cancel_email_change_request", sessionOnly, "", fresh, byCredential, noTarget, false, a.cancelEmailChange},
		{post, "/api/users/verify_email", anyone, "", anyAge, byCredential, noTarget, false, a.verifyEmail},
		{post, "/api/users/request_email_verification", anyone, "", anyAge, verificationMail, noTarget, false, a.requestVerification},

		{get, autonomy, sessionOrKey, "user:write", anyAge, unlimited, byAnyID, false, a.getAutonomy},
		{post, autonomy, sessionOrKey, "user:write", anyAge, unlimited, byAnyID, false, a.saveAutonomy},
		{del, autonomy, sessionOrKey, "user:write", anyAge, unlimited, byAnyID, false, a.deleteAutonomy},
		{other, autonomy, sessionOrKey, "user:write", anyAge, unlimited, noTarget, false, nil},

		{get, user + "/start_2fa_setup", sessionOnly, "", anyAge, unlimited, ownOnly, true, a.startTOTP},
		{get, user + "/two_factor_start_setup", sessionOnly, "", anyAge, unlimited, ownOnly, true, a.startTOTP},
		{post, user + "/validate_2fa", sessionOnly, "", fresh, byCredential, ownOnly, true, a.confirmTOTP},
		{post, user + "/two_factor_validate", sessionOnly, "", fresh, byCredential, ownOnly, true, a.confirmTOTP},
		{get, user + "/two_factor_status", sessionOnly, "", anyAge, unlimited, ownOnly, true, a.twoFactorStatus},
		{post, user + "/two_factor_backup_codes", sessionOnly, "", fresh, byCredential, ownOnly, true, a.createBackupCodes},
		{post, user + "/two_factor_disable", sessionOnly, "", fresh, byCredential, ownOnly, true, a.disableTOTP},

		{get, sessions, sessionBlind, "", anyAge, unlimited, ownOnly, false, a.listSessions},
		{del, sessions + "/{session}", sessionBlind, "", fresh, unlimited, ownOnly, false, a.revokeSession},
		{post, sessions + "/revoke_others", sessionBlind, "", fresh, byCredential, ownOnly, false, a.revokeOtherSessions},

		{get, passkeys, sessionOnly, "", anyAge, unlimited, ownOnly, false, a.listPasskeys},
		{post, passkeys + "/register/begin", sessionOnly, "", fresh, byCredential, ownOnly, false, a.startPasskey},
		{post, passkeys + "/register/complete", sessionOnly, "", fresh, byCredential, ownOnly, false, a.confirmPasskey},
		{patch, passkeys + "/{passkey}", sessionOnly, "", fresh, byCredential, ownOnly, false, a.renamePasskey},
		{del, passkeys + "/{passkey}", sessionBlind, "", fresh, unlimited, ownOnly, false, a.deletePasskey},

		{get, linked, sessionOrKey, "user:read", anyAge, unlimited, afterQuery, false, a.listIntegrations},
		{other, linked, sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{post, github + "/start", sessionOrKey, "user:write", anyAge, linkStart, byUUID, false, a.startLink},
		{other, github + "/start", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{get, github + "/install_requests", sessionOrKey, "user:read", anyAge, unlimited, byUUID, false, a.listInstallRequests},
		{other, github + "/install_requests", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{del, request, sessionOrKey, "user:write", anyAge, unlimited, byUUID, false, a.deleteInstallRequest},
		{other, request, sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{del, installation, sessionOrKey, "user:write", anyAge, unlimited, byUUID, false, a.unlink},
		{other, installation, sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{get, installation + "/repos", sessionOrKey, "user:read", anyAge, unlimited, afterQuery, false, a.listRepositories},
		{other, installation + "/repos", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{post, installation + "/repos/refresh", sessionOrKey, "user:write", anyAge, unlimited, byUUID, false, a.refreshRepositories},
		{other, installation + "/repos/refresh", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{get, installation + "/branches", sessionOrKey, "user:read", anyAge, unlimited, afterQuery, false, a.listBranches},
		{other, installation + "/branches", sessionOrKey, "user:read", anyAge, unlimited, noTarget, false, nil},
		{get, callbackPath, sessionBlind, "", anyAge, unlimited, noTarget, false, a.completeLink},
		{other, callbackPath, sessionBlind, "", anyAge, unlimited, noTarget, false, nil},
		{post, "/webhooks/github", signed, "", anyAge, unlimited, noTarget, false, a.githubWebhook},
		{other, "/webhooks/github", signed, "", anyAge, unlimited, noTarget, false, nil},
		{post, "/webhooks/github/pr", signed, "", anyAge, unlimited, noTarget, false, a.githubWebhook},
		{other, "/webhooks/github/pr", signed, "", anyAge, unlimited, noTarget, false, nil},

		{get, keys, sessionOnly, "", anyAge, unlimited, noTarget, false, a.listKeys},
		{post, keys, sessionOnly, "", fresh, unlimited, noTarget, false, a.createKey},
		{get, keys + "/{key}", sessionOrKey, "", anyAge, unlimited, noTarget, false, a.getKey},
		{patch, keys + "/{key}", sessionOnly, "", fresh, unlimited, noTarget, false, a.patchKey},
		{del, keys + "/{key}", sessionOnly, "", fresh, unlimited, noTarget, false, a.deleteKey},
		{post, keys + "/{key}/roll", sessionOnly, "", fresh, unlimited, noTarget, false, a.rollKey},

		{post, "/api/login", anyone, "", anyAge, unlimited, noTarget, true, a.login},
		{post, "/api/login/token", anyone, "", anyAge, unlimited, noTarget, true, a.finishLogin},
		{post, "/api/login/passkey/begin", anyone, "", anyAge, unlimited, noTarget, true, a.startPasskeyLogin},
		{post, "/api/login/passkey/complete", anyone, "", anyAge, unlimited, noTarget, true, a.passkeyLogin},
		{post, "/api/login/2fa/passkey/begin", anyone, "", anyAge, unlimited, noTarget, true, a.startPasskeyStep},
		{post, "/api/login/2fa/passkey/complete", anyone, "", anyAge, unlimited, noTarget, true, a.finishLoginByPasskey},
		{post, reset, anyone, "", anyAge, passwordReset, noTarget, true, a.requestReset},
		{get, reset + "/{uuid}", anyone, "", anyAge, unlimited, noTarget, true, a.checkReset},
		{post, reset + "/{uuid}", anyone, "", anyAge, unlimited, noTarget, true, a.resetPassword},
		{post, "/logout", anyone, "", anyAge, unlimited, noTarget, true, a.logout},
		{post, "/api/logout", anyone, "", anyAge, unlimited, noTarget, true, a.logout},

		{get, schemaPath, anyone, "", anyAge, unlimited, noTarget, true, a.getSchema},
		{get, docsPath, anyone, "", anyAge, unlimited, noTarget, true, a.getDocs},
		{get, docsPath + "/{file}", anyone, "", anyAge, unlimited, noTarget, true, a.getDocsFile},
	}
}

// resource is the routes of one path, by method.
type resource struct {
	path    string
	methods map[string]route
}

// speaksJSON reports a path that answers with JSON and nothing else. A browser
// that comes back from GitHub is sent on, and does not ask for any.
func (res *resource) speaksJSON() bool {
	return strings.HasPrefix(res.path, "/api/") && !strings.HasPrefix(res.path, schemaPath)
}

// find returns the route for a method. A method that the path lacks gets a
// route without handler, which applies the checks that come before "method not
// allowed" (contract section 1.2).
func (res *resource) find(method string) route {
	if rt, ok := res.methods[other]; ok {
		if mapped, ok := res.methods[method]; ok {
			return mapped
		}
		return rt
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if rt, ok := res.methods[method]; ok {
		return rt
	}
	unmapped := route{method: method, access: sessionOnly, fresh: fresh}
	exempt := true
	for _, rt := range res.methods {
		switch {
		case rt.access == anyone:
			unmapped.access = anyone
		case rt.access == sessionBlind && rt.method != http.MethodDelete:
			unmapped.access = sessionBlind
		}
		exempt = exempt && rt.fresh == anyAge
		unmapped.exempt = unmapped.exempt || rt.exempt
	}
	if exempt && len(res.methods) > 0 && !res.collection() {
		unmapped.fresh = anyAge
	}
	if method == http.MethodOptions {
		unmapped.fresh = anyAge
	}
	if !strings.HasPrefix(res.path, "/api/users") {
		return unmapped
	}
	switch method {
	case http.MethodOptions:
		if unmapped.access == sessionOnly {
			unmapped.access, unmapped.scope = sessionOrKey, "user:read"
		}
	case http.MethodPatch, http.MethodPut:
		if unmapped.access == sessionOnly {
			unmapped.access, unmapped.scope = sessionOrKey, "user:write"
		}
	case http.MethodDelete:
		if unmapped.access == sessionOnly {
			unmapped.access = sessionBlind
		}
	}
	return unmapped
}

// collection reports a path that only reads, whose writes are sensitive all the
// same.
func (res *resource) collection() bool {
	for m := range res.methods {
		if !safeMethod(m) {
			return false
		}
	}
	return true
}

// allow lists the methods of the path for the Allow header.
func (res *resource) allow() string {
	_, exact := res.methods[other]
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, ok := res.methods[m]; ok {
			allowed = append(allowed, m)
			if m == http.MethodGet && !exact {
				allowed = append(allowed, http.MethodHead)
			}
		}
	}
	if !exact {
		allowed = append(allowed, http.MethodOptions)
	}
	return strings.Join(allowed, ", ")
}

// harmless are the members that a PATCH of the user may change with a session
// of any age, contract section 4.
func harmless(name string) bool {
	switch name {
	case "theme_mode", "set_current_organization", "set_current_team", "allow_sidebar_suggestions", "shortcut_position",
		"has_seen_product_intro_for", "events_column_config", "role_at_organization":
		return true
	}
	return false
}

// admit applies the access column.
func (rt route) admit(p auth.Principal) error {
	switch rt.access {
	case anyone, signed:
		return nil
	case sessionOnly, sessionBlind:
		if !p.Known() {
			return auth.ErrNotAuthenticated
		}
		if !p.BySession() {
			return errNoKeyAccess
		}
		return nil
	case sessionOrKey:
		if !p.Known() {
			return auth.ErrNotAuthenticated
		}
		if !p.BySession() && rt.scope != "" && !p.HasScope(rt.scope) {
			return missingScope(rt.scope)
		}
		return nil
	}
	return errNoKeyAccess
}
