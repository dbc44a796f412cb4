package httpapi_test

import (
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

func TestConfigNeedsEncryptionKeys(t *testing.T) {
	for name, keys := range map[string][][]byte{"none": nil, "short": {{1, 2, 3}}} {
		_, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: keys})
		if err == nil || !strings.Contains(err.Error(), "EncryptionKeys") {
			t.Errorf("%s: got error %v, want one that names EncryptionKeys", name, err)
		}
	}
}
