package host

import (
	"sync"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Request is one I/O command on its way. Its owner uses it again and again: the
// host allocates nothing for an I/O. From Submit until Done it belongs to the
// host, and nothing of it may be touched.
type Request struct {
	// Command is what to do: opcode, NSID and dwords. CID and SGL are set by
	// the host.
	Command nvmetcp.Command
	// Data is what is written, or where to read; nil for commands without data.
	// After an error its content is undefined for commands that read.
	Data []byte
	// Done is called once for each Submit, on a goroutine of the host and never
	// within Submit, without locks held. It must not block. It may submit this
	// Request or others, to any controller: what is submitted while a batch of
	// completions is handed out leaves in one write.
	Done func(*Request)

	// Completion is the answer. Where the controller has given none, its
	// Status is of the host:
	//
	//   - nvme.StatusHostPathError: not sent, there is no live queue;
	//   - nvme.StatusHostAborted: sent, and then the association ended.
	Completion nvmetcp.Completion
	// InDoubtUntil is when a command that was sent and not answered can no
	// longer take effect on the target (TP4129). It is the zero Time if the
	// command was answered, was never sent, or if the controller stopped for
	// certain before its association ended.
	InDoubtUntil time.Time

	next *Request // in a list
	slot *slot    // while the controller has it
}

// requests is a list of requests, first in, first out.
type requests struct {
	first, last *Request
}

func (l *requests) push(r *Request) {
	r.next = nil
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
}

func (l *requests) pop() *Request {
	r := l.first
	if r == nil {
		return nil
	}
	if l.first = r.next; l.first == nil {
		l.last = nil
	}
	r.next = nil
	return r
}

// remove takes r out of the list, wherever it is in it.
func (l *requests) remove(r *Request) {
	var rest requests
	for x := l.pop(); x != nil; x = l.pop() {
		if x != r {
			rest.push(x)
		}
	}
	*l = rest
}

// end gives a request back that the controller has not answered.
func (r *Request) end(status nvme.Status, inDoubtUntil time.Time) {
	r.Completion = nvmetcp.Completion{Status: status}
	r.InDoubtUntil = inDoubtUntil
	r.Done(r)
}

// refusals ends requests that no queue has taken, apart from whoever submits
// them.
type refusals struct {
	mu      sync.Mutex
	list    requests
	running bool
}

func (f *refusals) add(r *Request, status nvme.Status) {
	r.Completion.Status = status
	f.mu.Lock()
	f.list.push(r)
	start := !f.running
	f.running = true
	f.mu.Unlock()
	if start {
		go f.run()
	}
}

// run ends what there is, and is gone.
func (f *refusals) run() {
	for {
		f.mu.Lock()
		r := f.list.pop()
		f.running = r != nil
		f.mu.Unlock()
		if r == nil {
			return
		}
		r.end(r.Completion.Status, time.Time{})
	}
}
