package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hedgerow-dev/hedgerow/users"
)

func (a *API) listUsers(c *call) (answer, error) {
	q, p := c.URL.Query(), page{limit: min(defaultPage, a.config.MaxPage)}
	if n := count(last(q, "limit")); n > 0 {
		p.limit = min(n, a.config.MaxPage)
	}
	p.offset = count(last(q, "offset"))
	query := users.Query{Email: strings.TrimSpace(last(q, "email")), Limit: p.limit, Offset: p.offset}
	switch strings.ToLower(last(q, "is_staff")) {
	case "true", "1":
		query.Staff = users.Some(true)
	case "false", "0":
		query.Staff = users.Some(false)
	}
	result, err := a.users.List(c.Context(), c.viewer(), query)
	if err != nil {
		return answer{}, err
	}
	j := lendWriter()
	j.open()
	j.int("count", int64(result.Total))
	next, previous := a.links(c, q, p, result.Total)
	j.optionalText("next", next, next != "")
	j.optionalText("previous", previous, previous != "")
	j.array("results")
	fresh := a.auth.FreshUntil(c.principal)
	for _, sight := range result.Sights {
		j.name("")
		writeUser(j, fresh, a.userJSON(sight))
	}
	j.endArray()
	j.close()
	return answer{body: j.bytes(), lent: j}, nil
}

// page is a slice of the list.
type page struct{ limit, offset int }

// links are the URLs of the pages around p, "" where there is none. They hold
// known parameters only, and begin where the configuration says we live.
func (a *API) links(c *call, q url.Values, p page, total int) (next, previous string) {
	link := func(offset int) string {
		known := url.Values{"limit": {strconv.Itoa(p.limit)}}
		for _, name := range []string{"email", "is_staff"} {
			if v := last(q, name); v != "" {
				known.Set(name, v)
			}
		}
		if offset > 0 {
			known.Set("offset", strconv.Itoa(offset))
		}
		return a.public.String() + a.config.BasePath + c.URL.Path + "?" + known.Encode()
	}
	if p.offset < total && total-p.offset > p.limit {
		next = link(p.offset + p.limit)
	}
	if p.offset > 0 {
		previous = link(p.offset - p.limit)
	}
	return next, previous
}

// last returns the last value of a query parameter.
func last(q url.Values, name string) string {
	if vs := q[name]; len(vs) > 0 {
		return vs[len(vs)-1]
	}
	return ""
}

// count reads a number of rows: decimal digits, without sign or leading zeros.
// Anything else is 0, and what is too large for any list is the largest number.
func count(s string) int {
	const most = 1<<31 - 1
	if s == "" || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > most {
		return most
	}
	return n
}

func (a *API) getUser(c *call) (answer, error) { return a.show(c, c.viewer()) }

// showUser answers with the object of the target as it is after a change.
func (a *API) showUser(c *call) (answer, error) { return a.show(c, users.Viewer{Actor: c.actor()}) }

// show answers with the object of the target and its version.
func (a *API) show(c *call, viewer users.Viewer) (answer, error) {
	sight, err := a.users.Look(c.Context(), viewer, c.target)
	if err != nil {
		return answer{}, err
	}
	form := a.userJSON(sight)
	c.header["Etag"] = form.etag // canonical
	j := lendWriter()
	writeUser(j, a.auth.FreshUntil(c.principal), form)
	return answer{body: j.bytes(), lent: j}, nil
}

// etag names the user besides the version, so that no two users share one.
func etag(id users.ID, version int64) string {
	return `"` + strconv.FormatInt(int64(id), 10) + "-" + strconv.FormatInt(version, 10) + `"`
}

// matcher reads If-Match (RFC 9110 §13.1.1). No header matches everything; a
// weak tag matches nothing.
func matcher(h http.Header, id users.ID) func(version int64) bool {
	values := h.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	tags := map[string]bool{}
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		tags[strings.TrimSpace(tag)] = true
	}
	return func(version int64) bool { return tags["*"] || tags[etag(id, version)] }
}

func (a *API) patchUser(c *call) (answer, error) { return a.updateUser(c, userPatch(c.body)) }

// putUser is a PATCH that must name address and password.
func (a *API) putUser(c *call) (answer, error) {
	p := userPatch(c.body)
	for _, f := range []*users.Field[string]{&p.Email, &p.Password} {
		if !f.Set {
			*f = users.Field[string]{Set: true, Err: &users.Error{Kind: users.Invalid, Code: "required", Message: "This field is required."}}
		}
	}
	return a.updateUser(c, p)
}

func (a *API) updateUser(c *call, p users.Patch) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	changed, token, err := a.auth.UpdateUser(c.Context(), c.principal, c.target, p, matcher(c.Header, c.target))
	if err != nil {
		return answer{}, err
	}
	viewer := users.Viewer{Actor: c.actor()}
	if before := c.principal.Profile; before != nil && before.User.ID == changed.ID {
		viewer.Profile = before.WithUser(changed) // spares reading what was read in this request
	}
	shown, err := a.show(c, viewer)
	if err == nil && token != "" {
		a.setCookie(c.header, token)
	}
	return shown, err
}

func userPatch(b body) users.Patch {
	return users.Patch{
		FirstName:               b.text("first_name"),
		LastName:                b.text("last_name"),
		Email:                   b.text("email"),
		NotificationSettings:    b.json("notification_settings"),
		AnonymizeData:           b.nullableFlag("anonymize_data"),
		AllowImpersonation:      b.nullableFlag("allow_impersonation"),
		ToolbarMode:             b.string("toolbar_mode"),
		IsStaff:                 b.flag("is_staff"),
		SetCurrentOrganization:  b.text("set_current_organization"),
		SetCurrentTeam:          b.text("set_current_team"),
		Password:                b.text("password"),
		CurrentPassword:         b.text("current_password"),
		EventsColumnConfig:      b.json("events_column_config"),
		HasSeenProductIntroFor:  b.json("has_seen_product_intro_for"),
		ThemeMode:               b.string("theme_mode"),
		HedgehogConfig:          b.json("hedgehog_config"),
		AllowSidebarSuggestions: b.nullableFlag("allow_sidebar_suggestions"),
		ShortcutPosition:        b.string("shortcut_position"),
		RoleAtOrganization:      b.string("role_at_organization"),
		PasskeysEnabledFor2FA:   b.nullableFlag("passkeys_enabled_for_2fa"),
	}
}

func (a *API) deleteUser(c *call) (answer, error) {
	if err := a.users.Delete(c.Context(), c.actor(), c.target); err != nil {
		return answer{}, err
	}
	if c.target == c.actor().ID {
		a.setCookie(c.header, "")
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) githubLogin(c *call) (answer, error) {
	login, err := a.integrations.GitHubLogin(c.Context(), c.target)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.optionalText("github_login", login, login != "")
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) getHedgehog(c *call) (answer, error) {
	v, err := a.users.HedgehogConfig(c.Context(), c.target)
	if err != nil {
		return answer{}, err
	}
	return answer{body: orEmptyObject(v)}, nil
}

// orEmptyObject shows {} for whatever is false in the reference's language, and
// for what is no JSON.
func orEmptyObject(v users.JSON) []byte {
	if !isJSON(v) {
		return []byte("{}")
	}
	switch v {
	case "null", "false", `""`, "[]", "{}":
		return []byte("{}")
	}
	if n, err := strconv.ParseFloat(string(v), 64); err == nil && n == 0 {
		return []byte("{}")
	}
	return []byte(v)
}

func (a *API) patchHedgehog(c *call) (answer, error) {
	if c.body.value == nil {
		return answer{}, errParse
	}
	v, ok := compact(c.body.value)
	if !ok {
		return answer{}, errParse
	}
	if v == "null" {
		v = ""
	}
	stored, err := a.users.SetHedgehogConfig(c.Context(), c.actor(), c.target, v)
	if err != nil {
		return answer{}, err
	}
	if stored == "" {
		stored = "{}"
	}
	return answer{body: []byte(stored)}, nil
}

func (a *API) personalise(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.users.Personalise(c.Context(), c.actor(), c.target, c.body.text("scene"), c.body.dashboard()); err != nil {
		return answer{}, err
	}
	return a.showUser(c)
}

// dashboard reads the id of a dashboard, whose errors have codes of their own.
// A number that no id can be is of no dashboard.
func (b body) dashboard() users.Field[int64] {
	f := field(b, "dashboard", number)
	if f.Err == nil {
		return f
	}
	raw, code := b.members["dashboard"], "incorrect_type"
	if s, _ := unquote(raw); raw.Kind() == '0' || s != "" && strings.Trim(s, "0123456789") == "" {
		code = "does_not_exist"
	}
	f.Err = &users.Error{Kind: users.Invalid, Code: code, Message: "This is not the id of a dashboard."}
	return f
}

func (a *API) completeReview(c *call) (answer, error) {
	if err := a.users.CompleteCredentialsReview(c.Context(), c.actor(), c.target); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) skipOnboarding(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.users.SkipOnboarding(c.Context(), c.actor(), c.target, c.body.string("reason"), c.body.text("step_at_skip")); err != nil {
		return answer{}, err
	}
	return a.showUser(c)
}

func (a *API) seeIntro(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	intros, err := a.users.SeeProductIntro(c.Context(), c.actor(), c.target, c.body.text("product_key"), c.body.flag("seen"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: []byte(intros)}, nil
}
