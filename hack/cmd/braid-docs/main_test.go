package main

import (
	"errors"
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	write := func(text string, err error) map[string]writer {
		return map[string]writer{"x": func() (string, error) { return text, err }}
	}
	const document = "# Title\n<!-- generated:x -->\nold\n<!-- /generated:x -->\nend\n"
	for name, c := range map[string]struct {
		document, text string
		err            error
		want           string
	}{
		"written anew":     {document, "new\n", nil, "# Title\n<!-- generated:x -->\nnew\n<!-- /generated:x -->\nend\n"},
		"in step":          {document, "old\n", nil, document},
		"twice":            {document + document, "new\n", nil, strings.Repeat("# Title\n<!-- generated:x -->\nnew\n<!-- /generated:x -->\nend\n", 2)},
		"no section":       {"# Title\n", "new\n", nil, "# Title\n"},
		"unknown section":  {"<!-- generated:y -->\n<!-- /generated:y -->\n", "new\n", nil, ""},
		"section not shut": {"<!-- generated:x -->\n", "new\n", nil, ""},
		"writer fails":     {document, "", errors.New("no"), ""},
	} {
		got, err := fill(c.document, write(c.text, c.err))
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}
