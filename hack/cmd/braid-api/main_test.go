package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDrift(t *testing.T) {
	have := files{"same": []byte("1\n"), "changed": []byte("old\n"), "stale": []byte("2\n")}
	want := files{"same": []byte("1\n"), "changed": []byte("new\n"), "missing": []byte("3\n")}
	err := drift(have, want)
	if err == nil {
		t.Fatal("no drift found")
	}
	for _, part := range []string{
		"3 generated files have drifted: make generate",
		"--- changed", "-old\n+new\n", "--- stale", "-2\n", "--- missing", "+3\n",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), "same") {
		t.Errorf("a file that has not changed in\n%v", err)
	}
	if err := drift(want, want); err != nil {
		t.Errorf("drift from itself: %v", err)
	}
}

func TestWrite(t *testing.T) {
	root := t.TempDir()
	first := files{crdDir + "/gone.yaml": []byte("1"), copies: []byte("old")}
	if err := write(root, nil, first); err != nil {
		t.Fatal(err)
	}
	second := files{crdDir + "/new.yaml": []byte("2"), copies: []byte("new")}
	if err := write(root, first, second); err != nil {
		t.Fatal(err)
	}
	have, err := generated(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := drift(have, second); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, crdDir, "gone.yaml")); !os.IsNotExist(err) {
		t.Errorf("what is generated no more is still there: %v", err)
	}
}
