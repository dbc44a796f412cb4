package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// verb is a request that a route serves.
type verb struct {
	method, path string // of the route
	name         string // besides, where one route has several verbs
	// prepare makes a world for the request and returns what sends it.
	prepare scene
	status  int
	// again is the status when the change was made, its answer was lost, and the
	// client asks once more. Zero means that of the first time.
	again int
}

// later are the paths whose change follows the answer.
func (v verb) later() bool {
	return v.path == "/api/reset" && v.method == "POST" || v.path == "/api/users/request_email_verification"
}

// apart are the tables that may change before the change, in transactions of their
// own: what is counted and leased, and the state that a link spends.
func (v verb) apart() []string {
	tables := []string{"attempts", "claims", "sqlite_sequence"}
	switch {
	case v.path == "/complete/github-link":
		return append(tables, "link_states")
	case v.path == signInComplete && v.name == refusedPasskey:
		return append(tables, "tickets") // the challenge is spent before the failure is counted
	}
	return tables
}

func (v verb) String() string { return strings.TrimSuffix(v.method+" "+v.path+" "+v.name, " ") }

// scene has Alice, who is in an organization, and her fresh session.
type scene func(e *env, alice users.User, cookie option) (send func() reply)

// verbs has every route, with a request that it serves.
func verbs() []verb {
	return slices.Concat(userVerbs(), addressVerbs(), factorVerbs(), passkeyVerbs(), loginVerbs(), keyVerbs(), githubVerbs(), linkedVerbs(), schemaVerbs())
}

const (
	self     = "/api/users/@me"
	userPath = "/api/users/{user}"
)

// ask needs no more than a session.
func ask(method, path, body string) scene {
	return func(e *env, _ users.User, cookie option) func() reply {
		return func() reply { return e.do(method, path, body, cookie) }
	}
}

// after asks when another request was served.
func after(method, path, body string, then scene) scene {
	return func(e *env, alice users.User, cookie option) func() reply {
		if r := e.do(method, path, body, cookie); r.status >= 300 {
			e.t.Fatalf("%s: status %d, %s", r.call, r.status, r.raw)
		}
		return then(e, alice, cookie)
	}
}

func userVerbs() []verb {
	change := fmt.Sprintf(`{"email":"alice@example.com","password":%q,"current_password":%q,"first_name":"Ann"}`, newPassword, password)
	const autonomy, priority = own + "signal_autonomy", `{"autostart_priority":"P2"}`
	return []verb{
		{"GET", "/api/users", "", ask("GET", "/api/users", ""), 200, 0},
		{"GET", userPath, "", ask("GET", self, ""), 200, 0},
		{"GET", userPath, "that chooses an organization", func(e *env, alice users.User, cookie option) func() reply {
			e.save(alice, func(u *users.User) { u.CurrentOrganization = uuid.Nil })
			return func() reply { return e.do("GET", self, "", cookie) }
		}, 200, 0},
		{"PATCH", userPath, "profile", ask("PATCH", self, `{"first_name":"Ann","last_name":"X","theme_mode":"dark"}`), 200, 0},
		{"PATCH", userPath, "address", ask("PATCH", self, `{"email":"new@example.com"}`), 200, 0},
		{"PATCH", userPath, "password", ask("PATCH", self, change), 200, 401},
		{"PUT", userPath, "", ask("PUT", self, change), 200, 401},
		{"DELETE", userPath, "", func(e *env, _ users.User, _ option) func() reply {
			cookie := e.session(e.user("bob"), 0)
			return func() reply { return e.do("DELETE", self, "", cookie) }
		}, 204, 401},
		{"GET", userPath + "/github_login", "", ask("GET", own+"github_login", ""), 200, 0},
		{"GET", userPath + "/hedgehog_config", "", ask("GET", own+"hedgehog_config", ""), 200, 0},
		{"PATCH", userPath + "/hedgehog_config", "", ask("PATCH", own+"hedgehog_config", `{"color":"red"}`), 200, 0},
		{"POST", userPath + "/scene_personalisation", "", ask("POST", own+"scene_personalisation", `{"scene":"s","dashboard":1}`), 200, 0},
		{"POST", userPath + "/credentials_review_complete", "", ask("POST", own+"credentials_review_complete", ""), 204, 0},
		{"POST", userPath + "/onboarding/skip", "", ask("POST", own+"onboarding/skip", `{"reason":"later"}`), 200, 0},
		{"PATCH", userPath + "/product_intro_seen", "", ask("PATCH", own+"product_intro_seen", `{"product_key":"logs"}`), 200, 0},
		{"GET", userPath + "/signal_autonomy", "", after("POST", autonomy, priority, ask("GET", autonomy, "")), 200, 0},
		{"POST", userPath + "/signal_autonomy", "", ask("POST", autonomy, priority), 200, 0},
		{"POST", userPath + "/signal_autonomy", "again", after("POST", autonomy, priority, ask("POST", autonomy, `{"autostart_priority":"P0"}`)), 200, 0},
		{"DELETE", userPath + "/signal_autonomy", "", after("POST", autonomy, priority, ask("DELETE", autonomy, "")), 204, 0},
	}
}

func addressVerbs() []verb {
	const change = `{"email":"new@example.com"}`
	resetting := func(send func(e *env, alice users.User, token string) reply) scene {
		return func(e *env, alice users.User, _ option) func() reply {
			token := e.askReset(alice)
			return func() reply { return send(e, alice, token) }
		}
	}
	return []verb{
		{"PATCH", "/api/users/cancel_email_change_request", "", after("PATCH", self, change, ask("PATCH", "/api/users/cancel_email_change_request", "")), 200, 400},
		{"POST", "/api/users/verify_email", "", func(e *env, alice users.User, _ option) func() reply {
			token := e.stage(alice, "new@example.com")
			return func() reply { return e.verify(alice, token) }
		}, 200, 400},
		{"POST", "/api/users/request_email_verification", "", func(e *env, alice users.User, _ option) func() reply {
			e.stage(alice, "new@example.com")
			return func() reply {
				return e.do("POST", "/api/users/request_email_verification", `{"uuid":"`+alice.UUID.String()+`"}`)
			}
		}, 200, 0},
		{"POST", "/api/reset", "", func(e *env, alice users.User, _ option) func() reply {
			return func() reply { return e.do("POST", "/api/reset", `{"email":"`+alice.Email+`"}`) }
		}, 204, 0},
		{"GET", "/api/reset/{uuid}", "", resetting((*env).checkReset), 204, 0},
		{"POST", "/api/reset/{uuid}", "", resetting(func(e *env, alice users.User, token string) reply { return e.reset(alice, token, newPassword) }), 204, 400},
	}
}

func factorVerbs() []verb {
	confirming := func(path string) scene {
		return func(e *env, _ users.User, cookie option) func() reply {
			code := e.code(e.start(cookie))
			return func() reply { return e.do("POST", own+path, token(code), cookie) }
		}
	}
	enrolled := func(then scene) scene {
		return func(e *env, alice users.User, _ option) func() reply {
			_, cookie := e.enrol(alice)
			return then(e, alice, cookie)
		}
	}
	const sessions = userPath + "/login_sessions"
	return []verb{
		{"GET", userPath + "/start_2fa_setup", "", ask("GET", own+"start_2fa_setup", ""), 200, 0},
		{"GET", userPath + "/two_factor_start_setup", "", ask("GET", own+"two_factor_start_setup", ""), 200, 0},
		{"POST", userPath + "/validate_2fa", "", confirming("validate_2fa"), 200, 400},
		{"POST", userPath + "/two_factor_validate", "", confirming("two_factor_validate"), 200, 400},
		{"GET", userPath + "/two_factor_status", "", ask("GET", own+"two_factor_status", ""), 200, 0},
		{"POST", userPath + "/two_factor_backup_codes", "", enrolled(ask("POST", own+"two_factor_backup_codes", "")), 200, 0},
		{"POST", userPath + "/two_factor_disable", "", enrolled(ask("POST", own+"two_factor_disable", "")), 200, 0},
		{"GET", sessions, "", ask("GET", own+"login_sessions", ""), 200, 0},
		{"DELETE", sessions + "/{session}", "", func(e *env, alice users.User, cookie option) func() reply {
			e.advance(time.Second)
			e.session(alice, 0)
			id := ""
			for _, s := range e.sessions(cookie) {
				if s["is_current"] != true {
					id = fmt.Sprint(s["id"])
				}
			}
			return func() reply { return e.do("DELETE", own+"login_sessions/"+id, "", cookie) }
		}, 204, 404},
		{"POST", sessions + "/revoke_others", "", func(e *env, alice users.User, cookie option) func() reply {
			e.session(alice, time.Hour)
			return func() reply { return e.do("POST", own+"login_sessions/revoke_others", "", cookie) }
		}, 200, 0},
	}
}

// withPasskey adds one to what Alice has.
func withPasskey(then func(e *env, alice users.User, cookie option, d *device, id string) func() reply) scene {
	return func(e *env, alice users.User, cookie option) func() reply {
		d := newDevice(e.t)
		id := e.addPasskey(d, cookie)
		return then(e, alice, cookie, d, id)
	}
}

// signed completes a ceremony, by the same count each time.
func (d *device) signed(begun reply) string {
	d.key.Counter = 5
	return body(d.sign(begun))
}

func passkeyVerbs() []verb {
	const route = userPath + "/passkeys"
	return []verb{
		{"GET", route, "", ask("GET", own+"passkeys", ""), 200, 0},
		{"POST", route + "/register/begin", "", ask("POST", registerBegin, ""), 200, 0},
		{"POST", route + "/register/complete", "", func(e *env, _ users.User, cookie option) func() reply {
			credential := newDevice(e.t).register(e.do("POST", registerBegin, "", cookie))
			return func() reply { return e.do("POST", registerComplete, body(credential), cookie) }
		}, 201, 400},
		{"PATCH", route + "/{passkey}", "", withPasskey(func(e *env, _ users.User, cookie option, _ *device, id string) func() reply {
			return func() reply { return e.do("PATCH", own+"passkeys/"+id, `{"name":"Phone"}`, cookie) }
		}), 200, 0},
		{"DELETE", route + "/{passkey}", "", withPasskey(func(e *env, _ users.User, cookie option, _ *device, id string) func() reply {
			return func() reply { return e.do("DELETE", own+"passkeys/"+id, "", cookie) }
		}), 204, 404},
		{"POST", signInBegin, "", withPasskey(func(e *env, _ users.User, _ option, _ *device, _ string) func() reply {
			return func() reply { return e.do("POST", signInBegin, "") }
		}), 200, 0},
		{"POST", signInComplete, "", withPasskey(func(e *env, _ users.User, _ option, d *device, _ string) func() reply {
			begun := e.do("POST", signInBegin, "")
			return func() reply {
				return e.do("POST", signInComplete, d.signed(begun), begun.cookie("sessionid_passkey"))
			}
		}), 200, 400},
		{"POST", stepBegin, "", withPasskey(func(e *env, _ users.User, cookie option, _ *device, _ string) func() reply {
			e.usePasskeys(cookie)
			pending := e.pending("alice")
			return func() reply { return e.do("POST", stepBegin, "", pending) }
		}), 200, 0},
		{"POST", stepComplete, "", withPasskey(func(e *env, _ users.User, cookie option, d *device, _ string) func() reply {
			e.usePasskeys(cookie)
			pending := e.pending("alice")
			begun := e.do("POST", stepBegin, "", pending)
			return func() reply { return e.do("POST", stepComplete, d.signed(begun), pending) }
		}), 200, 400},
	}
}

func loginVerbs() []verb {
	signIn := func(e *env, _ users.User, _ option) func() reply {
		return func() reply { return e.do("POST", "/api/login", credentials("alice", password)) }
	}
	return []verb{
		{"POST", "/api/login", "", signIn, 200, 0},
		{"POST", "/api/login", "first step", func(e *env, alice users.User, cookie option) func() reply {
			e.enrol(alice)
			return signIn(e, alice, cookie)
		}, 401, 0},
		{"POST", "/api/login/token", "", func(e *env, alice users.User, _ option) func() reply {
			secret, _ := e.enrol(alice)
			pending, code := e.pending("alice"), e.code(secret)
			return func() reply { return e.do("POST", "/api/login/token", token(code), pending) }
		}, 200, 400},
		{"POST", "/logout", "", ask("POST", "/logout", ""), 302, 0},
		{"POST", "/api/logout", "", ask("POST", "/api/logout", ""), 302, 0},
	}
}

func keyVerbs() []verb {
	const route = "/api/personal_api_keys"
	made := func(method, rest, body string) scene {
		return func(e *env, _ users.User, cookie option) func() reply {
			id := e.do("POST", keysPath, keyBody(nil), cookie).ok(201).json()["id"].(string)
			return func() reply { return e.do(method, keysPath+id+rest, body, cookie) }
		}
	}
	return []verb{
		{"GET", route, "", ask("GET", keysPath, ""), 200, 0},
		{"POST", route, "", ask("POST", keysPath, keyBody(nil)), 201, 0},
		{"GET", route + "/{key}", "", made("GET", "", ""), 200, 0},
		{"PATCH", route + "/{key}", "", made("PATCH", "", `{"label":"New"}`), 200, 0},
		{"DELETE", route + "/{key}", "", made("DELETE", "", ""), 204, 404},
		{"POST", route + "/{key}/roll", "", made("POST", "/roll", ""), 200, 0},
	}
}

const (
	linkedRoute  = userPath + "/integrations"
	installRoute = linkedRoute + "/github/{installation}"
	linkPath     = own + "integrations/github"
)

func schemaVerbs() []verb {
	return []verb{
		{"GET", "/api/schema", "", ask("GET", "/api/schema", ""), 200, 0},
		{"GET", "/api/schema/docs", "", ask("GET", "/api/schema/docs", ""), 200, 0},
		{"GET", "/api/schema/docs/{file}", "", ask("GET", "/api/schema/docs/start.js", ""), 200, 0},
	}
}

func githubVerbs() []verb {
	return []verb{
		{"POST", linkedRoute + "/github/start", "", ask("POST", linkPath+"/start", ""), 200, 0},
		{"GET", "/complete/github-link", "", func(e *env, _ users.User, cookie option) func() reply {
			page := e.startLink(cookie, "")
			return func() reply { return e.callback(cookie, e.visit(page)) }
		}, 302, 0},
		{"GET", linkedRoute + "/github/install_requests", "", ask("GET", linkPath+"/install_requests", ""), 200, 0},
		{"DELETE", linkedRoute + "/github/{requests}/{request}", "", func(e *env, alice users.User, cookie option) func() reply {
			id := uuid.New()
			err := e.store.UpdateIntegrations(e.t.Context(), func(tx integrations.Tx) error {
				return tx.SaveInstallRequest(e.t.Context(), integrations.InstallRequest{ID: id, UserID: alice.ID, Status: "pending", RequestedAt: e.now()})
			})
			if err != nil {
				e.t.Fatal(err)
			}
			return func() reply { return e.do("DELETE", linkPath+"/install_requests/"+id.String(), "", cookie) }
		}, 204, 404},
		{"POST", "/webhooks/github", "", delivered("/webhooks/github"), 200, 0},
		{"POST", "/webhooks/github/pr", "", delivered("/webhooks/github/pr"), 200, 0},
	}
}

// delivered has GitHub say that what Alice has linked is gone.
func delivered(path string) scene {
	return func(e *env, alice users.User, _ option) func() reply {
		e.seedLink(alice)
		const body = `{"action":"deleted","installation":{"id":12345}}`
		return func() reply {
			return e.do("POST", path, body, header("X-GitHub-Event", "installation"), header("X-GitHub-Delivery", unknownID),
				header("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, []byte(body))))
		}
	}
}

func linkedVerbs() []verb {
	linked := func(method, path string) scene {
		return func(e *env, alice users.User, cookie option) func() reply {
			e.link(cookie)
			e.dropSnapshot(alice)
			return func() reply { return e.do(method, linkPath+path, "", cookie) }
		}
	}
	return []verb{
		{"GET", linkedRoute, "", ask("GET", own+"integrations", ""), 200, 0},
		{"DELETE", installRoute, "", linked("DELETE", "/12345"), 204, 404},
		{"GET", installRoute + "/repos", "", linked("GET", "/12345/repos"), 200, 0},
		{"POST", installRoute + "/repos/refresh", "", linked("POST", "/12345/repos/refresh"), 200, 0},
		{"GET", installRoute + "/branches", "", linked("GET", "/12345/branches?repo=acme/repo-1"), 200, 0},
	}
}
