package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValuesTable(t *testing.T) {
	const meanings = `{"properties": {
		"port": {"description": "Where | how."},
		"node": {"properties": {"labels": {"description": "Labels."}, "list": {"description": "List."}}}}}`
	for name, c := range map[string]struct {
		values, want string
	}{
		"in the order of values.yaml": {
			"node: {list: [{a: 1}], labels: {}}\nport: 80\n",
			"| value | default | meaning |\n|---|---|---|\n" +
				"| `node.list` | `[{\"a\":1}]` | List. |\n" +
				"| `node.labels` |  | Labels. |\n" +
				"| `port` | `80` | Where \\| how. |\n",
		},
		"not in the schema":          {"other: 1\n", ""},
		"below a value that is none": {"node: {other: 1}\n", ""},
	} {
		got, err := valuesTable([]byte(c.values), []byte(meanings))
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: no error, but\n%s", name, got)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
