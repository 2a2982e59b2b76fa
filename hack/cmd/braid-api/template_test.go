package main

import (
	"strings"
	"testing"
	gotemplate "text/template"

	"github.com/google/go-cmp/cmp"
)

// TestTemplate renders as Helm does, with functions that stand for its own.
func TestTemplate(t *testing.T) {
	const definition = `---
metadata:
  annotations:
    tool: v1
  name: x
spec:
  description: 'braces {{ .Values.x }} and {a}'
`
	text, err := template(definition)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := gotemplate.New("x").Funcs(gotemplate.FuncMap{
		"include": func(name string, _ any) string { return name + ": yes" },
		"toYaml":  func(m map[string]string) string { return "owner: " + m["owner"] },
		"nindent": func(n int, s string) string { return "\n" + strings.Repeat(" ", n) + s },
	}).Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	const (
		had      = "metadata:\n  annotations:\n"
		has      = "metadata:\n  labels:\n    braid.labels: yes\n  annotations:\n    helm.sh/resource-policy: keep\n"
		hasOwner = has + "    owner: storage\n"
	)
	for _, c := range []struct {
		install bool
		common  map[string]string
		want    string
	}{
		{install: false},
		{install: true, want: strings.Replace(definition, had, has, 1)},
		{install: true, common: map[string]string{"owner": "storage"}, want: strings.Replace(definition, had, hasOwner, 1)},
	} {
		var out strings.Builder
		values := map[string]any{"Values": map[string]any{"crds": map[string]any{"install": c.install}, "commonAnnotations": c.common}}
		if err := parsed.Execute(&out, values); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, strings.TrimLeft(out.String(), "\n")); diff != "" {
			t.Errorf("install %t, annotations %v: -want +got:\n%s", c.install, c.common, diff)
		}
	}
}

func TestTemplateOfAnotherShape(t *testing.T) {
	if text, err := template("metadata:\n  name: x\n"); err == nil {
		t.Errorf("no error for a definition without annotations, but\n%s", text)
	}
}
