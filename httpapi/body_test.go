package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// contentType replaces the content type; "" sends none.
func contentType(values ...string) option {
	return func(r *http.Request) {
		r.Header.Del("Content-Type")
		for _, v := range values {
			r.Header.Add("Content-Type", v)
		}
	}
}

// members is an object of n members.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

// nested is n arrays in each other.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func bodyNotJSON(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, key := e.session(alice, 0), e.key(alice, "*")
		for name, body := range map[string]string{
			"white space only":          " \n",
			"cut off":                   `{"first_name":"Eve"`,
			"cut off string":            `{"first_name":"Eve`,
			"trailing comma":            `{"first_name":"Eve",}`,
			"trailing value":            `{"first_name":"Eve"}{}`,
			"trailing text":             `{"first_name":"Eve"} x`,
			"trailing NUL":              "{\"first_name\":\"Eve\"}\x00",
			"leading comma":             `{,"first_name":"Eve"}`,
			"no colon":                  `{"first_name" "Eve"}`,
			"single quotes":             `{'first_name':'Eve'}`,
			"bare name":                 `{first_name:"Eve"}`,
			"comment":                   `{"first_name":"Eve"/**/}`,
			"line comment":              "{\"first_name\":\"Eve\"}//",
			"NaN":                       `{"first_name":"Eve","x":NaN}`,
			"Infinity":                  `{"first_name":"Eve","x":-Infinity}`,
			"leading zero":              `{"first_name":"Eve","x":01}`,
			"plus sign":                 `{"first_name":"Eve","x":+1}`,
			"hexadecimal":               `{"first_name":"Eve","x":0x1}`,
			"no digit after the point":  `{"first_name":"Eve","x":1.}`,
			"word in capitals":          `{"first_name":"Eve","x":True}`,
			"control character":         "{\"first_name\":\"Eve\n\"}",
			"unknown escape":            `{"first_name":"Eve\x"}`,
			"short escape":              `{"first_name":"Eve\u12"}`,
			"BOM":                       "\ufeff" + `{"first_name":"Eve"}`,
			"UTF-16":                    "{\x00}\x00",
			"no-break space":            "\u00a0" + `{"first_name":"Eve"}`,
			"invalid UTF-8":             "{\"first_name\":\"Eve\xff\"}",
			"overlong UTF-8":            "{\"first_name\":\"Eve\xc0\x80\"}",
			"surrogate in UTF-8":        "{\"first_name\":\"Eve\xed\xa0\x80\"}",
			"invalid UTF-8 in name":     "{\"first_name\":\"Eve\",\"\xff\":1}",
			"high surrogate":            `{"first_name":"Eve\ud800"}`,
			"low surrogate":             `{"first_name":"Eve\udc00"}`,
			"surrogates the wrong way":  `{"first_name":"Eve\udc00\ud800"}`,
			"high surrogate and letter": `{"first_name":"Eve\ud800a"}`,
			"lone surrogate in name":    `{"first_name":"Eve","\udc00":1}`,
			"lone surrogate at depth":   `{"first_name":"Eve","x":[{"y":"\ud800"}]}`,
			"name twice":                `{"first_name":"Eve","first_name":"Eve"}`,
			"name twice, spelt apart":   `{"first_name":"Eve","first\u005fname":"Eve"}`,
			"unknown name twice":        `{"first_name":"Eve","x":1,"x":1}`,
			"name twice at depth":       `{"first_name":"Eve","hedgehog_config":{"a":{"b":1,"b":2}}}`,
			"name twice in an array":    `{"first_name":"Eve","x":[[{"b":1,"c":2,"b":2}]]}`,
			"name twice in settings":    `{"first_name":"Eve","notification_settings":{"plugin_disabled":true,"plugin_disabled":false}}`,
			"depth 65":                  `{"first_name":"Eve","x":` + nested(64) + `}`,
			"depth 100,000":             nested(100_000),
			"depth of open arrays":      strings.Repeat("[", 100_000),
			"depth of open objects":     strings.Repeat(`{"a":`, 100_000),
			"2,001 members":             members(2_001),
			"2,001 members in two":      `{"first_name":"Eve","x":` + members(999) + `,"y":[` + members(999) + `]}`,
			"100,000 members":           members(60_000),
			"form":                      "first_name=Eve",
		} {
			for _, caller := range []option{fresh, key} {
				for _, target := range [][2]string{{"PATCH", "/api/users/@me"}, {"PUT", "/api/users/@me/"}, {"PATCH", "/api/users/@me/hedgehog_config"}, {"PATCH", "/api/users/@me/product_intro_seen"}} {
					r := e.do(target[0], target[1], body, caller)
					r.call = target[0] + " " + target[1] + " " + name
					r.refused(400, "invalid_request", "parse_error", "")
				}
			}
			e.do("POST", "/api/personal_api_keys", body, fresh).refused(400, "invalid_request", "parse_error", "")
			e.do("POST", "/api/login", body).refused(400, "invalid_request", "parse_error", "")
		}
		r := e.do("GET", "/api/users/@me", "", key).ok(200).has("first_name", `"Alice"`).has("hedgehog_config", "null")
		if got := r.header.Get("ETag"); !strings.HasSuffix(got, `-1"`) {
			t.Errorf("refused bodies left ETag %s, want the first version", got)
		}
	})
}

func bodyAtTheLimits(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key := e.key(alice, "*")
		for i, body := range []string{
			`{"first_name":"A%d","x":` + nested(63) + `}`,
			`{"first_name":"A%d",` + members(1_999)[1:],
			`{"first_name":"A%d","x":` + members(999) + `,"y":[` + members(998) + `]}`,
			`{"first_name":"A%d","` + strings.Repeat("x", 100_000) + `":1}`,
			" \t\r\n" + `{ "first_name" : "A%d" , "x" : [ ] }` + " \t\r\n",
			`{"first\u005fname":"A%d"}`,
			`{"first_name":"A%d","hedgehog_config":{"a":1},"x":{"a":{"a":{"a":1}}},"y":[{"a":1},{"a":1}]}`,
			`{"first_name":"A%d","x":"\ud83e\udd94","y":"🦔","z":"\u0000"}`,
			`{"first_name":"A%d","x":1e400,"y":-0,"z":123456789012345678901234567890}`,
		} {
			e.do("PATCH", "/api/users/@me", fmt.Sprintf(body, i), key).ok(200).has("first_name", fmt.Sprintf(`"A%d"`, i))
		}
	})
}

func bodyNamesMatchByteForByte(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key, fresh := e.key(e.user("alice"), "*"), e.session(e.user("bob"), 0)
		for _, body := range []string{
			`{"IS_STAFF":true,"Is_Staff":true,"is_Staff":true}`, `{"First_Name":"Eve","FIRST_NAME":"Eve"}`, `{"firstname":"Eve","first-name":"Eve","firstName":"Eve"}`,
			`{"first_name ":"Eve"," first_name":"Eve"}`, `{"Email":"eve@example.com"}`, `{"fir\u017ft_name":"Eve"}`, `{"is_ſtaff":true}`, `{"is_\u017ftaff":true}`,
			`{"PASSWORD":"x","Current_Password":"x"}`, `{"id":7,"uuid":"x","date_joined":1,"has_password":0,"pending_email":"x","is_active":false,"password_hash":"x"}`,
			`{"Version":9,"version":9,"is_email_verified":false,"distinct_id":"x","organization":null,"team":null,"is_2fa_enabled":true}`,
		} {
			for _, caller := range []option{key, fresh} {
				if r := e.do("PATCH", "/api/users/@me", body, caller).ok(200).has("is_staff", "false"); !strings.HasSuffix(r.header.Get("ETag"), `-1"`) {
					t.Errorf("PATCH %s changed something: %s", body, r.raw)
				}
			}
		}
	})
}

func bodyTooLarge(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		const frame = `{"first_name":"Big","x":""}`
		pad := func(size int) string {
			return strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1)
		}
		e.do("PATCH", "/api/users/@me", pad(1<<20), key).ok(200).has("first_name", `"Big"`)
		for _, body := range []string{pad(1<<20 + 1), pad(2 << 20), strings.Repeat("[", 1<<20+1), strings.Repeat(" ", 1<<20+1)} {
			for _, o := range []option{contentType("application/json"), contentType("text/plain"), chunked} {
				for _, target := range [][2]string{{"PATCH", "/api/users/@me"}, {"PATCH", "/api/users/@me/hedgehog_config"}, {"POST", "/api/login"}} {
					r := e.do(target[0], target[1], body, key, o)
					r.call = target[0] + " " + target[1]
					r.refused(413, "invalid_request", "request_too_large", "")
				}
			}
		}
		r := e.do("PATCH", "/api/users/@me", pad(1<<20+1))
		r.call = "PATCH by nobody"
		r.refused(401, "authentication_error", "not_authenticated", "")
	})
}

func chunked(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }

func TestBodyLimitCanBeLower(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.MaxBody = 40 }, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		e.do("PATCH", "/api/users/@me", `{"first_name":"`+strings.Repeat("x", 23)+`"}`, key).ok(200)
		e.do("PATCH", "/api/users/@me", `{"first_name":"`+strings.Repeat("x", 24)+`"}`, key).refused(413, "invalid_request", "request_too_large", "")
	})
}

func bodyMedia(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		i := 0
		for _, o := range []option{
			contentType("application/json"), contentType("Application/JSON"), contentType("application/json; charset=utf-8"), contentType("application/json;charset=UTF-8"),
			contentType(`application/json; charset="utf-8"`), contentType("application/json; x=y"), header("Content-Encoding", "identity"), chunked,
		} {
			i++
			e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"first_name":"A%d"}`, i), key, o).ok(200).has("first_name", fmt.Sprintf(`"A%d"`, i))
		}
		for name, o := range map[string]option{
			"none":               contentType(),
			"empty":              contentType(""),
			"form":               contentType("application/x-www-form-urlencoded"),
			"multipart":          contentType("multipart/form-data; boundary=x"),
			"text":               contentType("text/plain"),
			"text json":          contentType("text/json"),
			"json5":              contentType("application/json5"),
			"suffix":             contentType("application/merge-patch+json"),
			"any":                contentType("*/*"),
			"two":                contentType("application/json", "application/json"),
			"two in one":         contentType("application/json, application/json"),
			"malformed":          contentType("application/json; charset"),
			"utf-16":             contentType("application/json; charset=utf-16"),
			"latin 1":            contentType("application/json; charset=iso-8859-1"),
			"charset twice":      contentType("application/json; charset=utf-8; charset=utf-16"),
			"empty charset":      contentType(`application/json; charset=""`),
			"gzip":               header("Content-Encoding", "gzip"),
			"deflate":            header("Content-Encoding", "deflate"),
			"identity and gzip":  header("Content-Encoding", "identity, gzip"),
			"unknown encoding":   header("Content-Encoding", "x"),
			"json after garbage": contentType("x application/json"),
		} {
			for _, target := range [][2]string{{"PATCH", "/api/users/@me"}, {"PUT", "/api/users/@me"}, {"PATCH", "/api/users/@me/hedgehog_config/"}, {"POST", "/api/login"}} {
				for _, body := range []string{`{"first_name":"Eve"}`, `first_name=Eve`, `{`} {
					r := e.do(target[0], target[1], body, key, o)
					r.call += ", content type " + name
					r.refused(415, "invalid_request", "unsupported_media_type", "")
				}
			}
		}
		e.do("GET", "/api/users/@me", "", key).ok(200).has("first_name", fmt.Sprintf(`"A%d"`, i))
	})
}

func bodyEmpty(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key, fresh := e.key(alice, "*"), e.session(alice, 0)
		for _, o := range []option{contentType(), contentType("text/plain"), contentType("application/json"), chunked} {
			e.do("PATCH", "/api/users/@me", "", key, o).ok(200)
			e.do("PUT", "/api/users/@me", "", fresh, o).invalid("required", "email")
			e.do("PATCH", "/api/users/@me/hedgehog_config", "", key, o).refused(400, "invalid_request", "parse_error", "")
			e.do("PATCH", "/api/users/@me/product_intro_seen", "", key, o).invalid("required", "product_key")
			e.do("POST", "/api/users/@me/onboarding/skip", "", fresh, o).invalid("required", "reason")
			e.do("POST", "/api/users/@me/scene_personalisation", "", fresh, o).invalid("invalid_input", "")
			e.do("POST", "/api/personal_api_keys", "", fresh, o).invalid("required", "label")
			e.do("POST", "/api/login", "", o).invalid("required", "email")
		}
		for _, body := range []string{`[]`, `[{}]`, `"x"`, `0`, `-1.5`, `true`, `false`, `null`} {
			e.do("PATCH", "/api/users/@me", body, key).invalid("invalid_input", "")
			e.do("PUT", "/api/users/@me", body, fresh).invalid("invalid_input", "")
			e.do("PATCH", "/api/users/@me/product_intro_seen", body, key).invalid("invalid_input", "")
			e.do("POST", "/api/users/@me/onboarding/skip", body, fresh).invalid("invalid_input", "")
			e.do("POST", "/api/users/@me/scene_personalisation", body, fresh).invalid("invalid_input", "")
			e.do("POST", "/api/personal_api_keys", body, fresh).invalid("invalid_input", "")
			e.do("POST", "/api/login", body).invalid("invalid_input", "")
		}
	})
}
