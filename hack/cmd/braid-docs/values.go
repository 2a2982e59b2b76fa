package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// schema is what is read of a chart's values.schema.json.
type schema struct {
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
}

// chartValues is a table of a chart's values: the order and the defaults of its
// values.yaml, the meaning that its schema has for them.
func chartValues(dir string) (string, error) {
	values, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return "", err
	}
	meanings, err := os.ReadFile(filepath.Join(dir, "values.schema.json"))
	if err != nil {
		return "", err
	}
	return valuesTable(values, meanings)
}

func valuesTable(values, meanings []byte) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return "", err
	}
	var s schema
	if err := json.Unmarshal(meanings, &s); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, mapping := range document.Content {
		if err := writeValues(&b, "", mapping, s); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// writeValues writes a row for each value that the schema describes, and looks
// into those that it does not.
func writeValues(b *strings.Builder, prefix string, mapping *yaml.Node, s schema) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i].Value, mapping.Content[i+1]
		path, inner := prefix+name, s.Properties[name]
		switch {
		case inner.Description != "":
			text, err := defaultValue(value)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			writeRow(b, path, text, inner.Description)
		case value.Kind == yaml.MappingNode && len(inner.Properties) > 0:
			if err := writeValues(b, path+".", value, inner); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: the schema does not describe it", path)
		}
	}
	return nil
}

func defaultValue(n *yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "" {
			return "", nil
		}
		return "`" + n.Value + "`", nil
	}
	if len(n.Content) == 0 {
		return "", nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return "`" + string(text) + "`", err
}
