package httpapi_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

var (
	specRequests = flag.Int("requests", 400, "how many requests TestSpecification sends to each store")
	specSeed     = flag.Uint64("requests-seed", 1, "what the requests of TestSpecification follow from")
)

// specEnough requests have most operations succeed. The others need what no
// document describes, such as a passkey, or an owner at GitHub who has agreed.
const specEnough = 20_000

// TestSpecification sends requests that the OpenAPI document allows, or just does
// not allow, to every operation of it, and names in them what earlier answers had.
// Every answer must be one of the document, and none a failure. A user object
// without has_password and a key that was answered by 202 were found at once.
func TestSpecification(t *testing.T) {
	inProcess(t, specConfig(t), func(t *testing.T, e *env) {
		s := newSpeaker(t, e, ourDocument(t), *specSeed)
		if err := s.run(*specRequests); err != nil {
			t.Fatalf("seed %d: %v\nthe last requests:\n%s", *specSeed, err, strings.Join(s.last, "\n"))
		}
		var never [][2]string
		for _, op := range s.operations {
			t.Logf("%6d of %6d succeeded: %s %s", s.succeeded[op], s.sent[op], op[0], op[1])
			if s.sent[op] == 0 {
				t.Errorf("%v was never sent", op)
			}
			if s.succeeded[op] == 0 {
				never = append(never, op)
			}
		}
		if *specRequests >= specEnough && len(never) > len(s.operations)/5 {
			t.Errorf("too many operations never succeeded: %v", never)
		}
	})
}

// TestSpecificationFindsMistakes plants mistakes in the document, which stand for
// the opposite mistakes in the server.
func TestSpecificationFindsMistakes(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"member that is missing":  {"required: [github_login]", "required: [github_login, extra]", "missing property"},
		"member that is too much": {"        has_password: {type: boolean}\n", "", "undeclared"},
		"status":                  {"\"201\": {$ref: \"#/components/responses/PersonalAPIKeyValue\"}", "\"202\": {$ref: \"#/components/responses/PersonalAPIKeyValue\"}", "status is undeclared"},
		"request accepted":        {"OnboardingSkip:\n      type: object\n      required: [reason]", "OnboardingSkip:\n      type: object\n      required: [reason, extra]", "the request was accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, memory.New(), specConfig(t))
			t.Cleanup(e.close)
			if err := newSpeaker(t, e, doctored(t, tc.old, tc.new), 1).run(4000); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}
