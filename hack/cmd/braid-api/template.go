package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// withTemplates makes the definitions templates of the chart. As templates they
// are upgraded with it, unlike in a chart's crds folder; that they stay when
// the chart goes is what keep is for: with a definition go all of its objects.
func withTemplates(all files) (files, error) {
	made := files{}
	for name, content := range all {
		dir, base := filepath.Split(name)
		if filepath.Clean(dir) != crdDir {
			made[name] = content
			continue
		}
		text, err := template(string(content))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		_, plural, _ := strings.Cut(base, "_") // GROUP_PLURAL.yaml
		made[dir+plural] = []byte(text)
	}
	return made, nil
}

const (
	head = `{{- /* Generated from pkg/api by make generate. */ -}}
{{- if .Values.crds.install }}
`
	foot = `{{- end }}
`
	annotations = "metadata:\n  annotations:\n"
	metadata    = `metadata:
  labels:
    {{- include "braid.labels" . | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
    {{- with .Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
`
)

// template makes one definition a template. Text that Helm would take for its
// own is quoted.
func template(definition string) (string, error) {
	before, after, ok := strings.Cut(definition, annotations)
	if !ok {
		return "", fmt.Errorf("has nothing that reads %q", annotations)
	}
	quote := strings.NewReplacer("{{", "{{ `{{` }}")
	return head + quote.Replace(before) + metadata + quote.Replace(after) + foot, nil
}
