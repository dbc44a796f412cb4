package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	yaml "github.com/oasdiff/yaml3"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// TestOpenAPIJSON holds openapi.json to openapi.yaml; -update writes it.
func TestOpenAPIJSON(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal(httpapi.OpenAPI(), &root); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := writeNode(&want, &root); err != nil {
		t.Fatal(err)
	}
	const path = "openapi.json"
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("openapi.json differs from openapi.yaml; go test ./httpapi -run TestOpenAPIJSON -update writes it")
	}
	if !json.Valid(got) {
		t.Error("openapi.json is no JSON")
	}
}

// writeNode writes YAML as JSON, with the members in the same order.
func writeNode(w *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeNode(w, n.Content[0])
	case yaml.AliasNode:
		return writeNode(w, n.Alias)
	case yaml.MappingNode:
		w.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := writeScalar(w, n.Content[i].Value); err != nil {
				return err
			}
			w.WriteByte(':')
			if err := writeNode(w, n.Content[i+1]); err != nil {
				return err
			}
		}
		w.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		w.WriteByte('[')
		for i, element := range n.Content {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := writeNode(w, element); err != nil {
				return err
			}
		}
		w.WriteByte(']')
		return nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return writeScalar(w, v)
}

func writeScalar(w *bytes.Buffer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	w.Write(bytes.TrimSpace(b.Bytes()))
	return nil
}
