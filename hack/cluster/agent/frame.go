// Package agent runs programs on a cluster's node for somebody outside: the way
// to a node that needs no Kubernetes. One connection is one program.
//
//	client                       server
//	  │── request (JSON) ─────────►│ starts the program
//	  │── input ... ──────────────►│
//	  │── end of input ───────────►│
//	  │◄───────── output, errors ──│
//	  │◄─────────── result (JSON) ─│ the program has ended
//
// A client that hangs up before the result ends the program.
package agent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

type kind byte

const (
	request kind = iota + 1
	input
	endOfInput
	output
	errorOutput
	result
)

// maxFrame bounds what a reader has to hold.
const maxFrame = 1 << 20

// header is the kind and the length of what follows.
const header = 5

// writer sends frames; output and errors come from two goroutines.
type writer struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *writer) send(k kind, payload []byte) error {
	frame := make([]byte, header, header+len(payload))
	frame[0] = byte(k)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.w.Write(append(frame, payload...))
	return err
}

func (w *writer) sendJSON(k kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(k, b)
}

// stream is one kind of frames as an io.Writer.
type stream struct {
	w *writer
	k kind
}

func (s stream) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		if err := s.w.send(s.k, rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// receive reads one frame.
func receive(r io.Reader) (kind, []byte, error) {
	var head [header]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return kind(head[0]), payload, err
}
