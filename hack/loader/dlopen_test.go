package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"testing"
)

func TestCutNote(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(program{}.encode()))
	if err != nil {
		t.Fatal(err)
	}
	first, second := encodeNote(1, "GNU\x00", "12345"), encodeNote(2, "FDO\x00", "x")
	n, rest, err := cutNote(append(first, second...), f)
	if err != nil || n.kind != 1 || n.owner != "GNU\x00" || string(n.content) != "12345" || !bytes.Equal(rest, second) {
		t.Errorf("cut %+v, %v, and left %q; want the first and then %q", n, err, rest, second)
	}
	for length := range len(first) - 3 { // without its padding it is whole
		if n, _, err := cutNote(first[:length], f); !errors.Is(err, errShortNote) {
			t.Errorf("%d bytes of a note: %+v, %v; want %v", length, n, err, errShortNote)
		}
	}
}
