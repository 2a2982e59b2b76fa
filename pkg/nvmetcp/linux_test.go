package nvmetcp

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const linux = "testdata/linux-7.2.13"

// TestLinux reads what the host and the target of Linux said to each other, and
// holds what it understands against golden files.
func TestLinux(t *testing.T) {
	for _, name := range []string{"plain-0", "plain-1", "digests-0", "digests-1", "discovery-0"} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			host := dialogue(t, name+"-host", nil, &got)
			fmt.Fprintln(&got)
			dialogue(t, name+"-controller", host, &got)
			golden := filepath.Join(linux, name+".golden")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s: -want +got\n%s", golden, diff)
			}
		})
	}
}

// recorded is one end's bytes.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(linux, name+".bin.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// commands are those that a host sent, by their IDs, in order.
type commands map[uint16][]Command

// dialogue writes down what one end said. The controller's answers are read
// with the host's commands in mind, which it returns.
func dialogue(t *testing.T, name string, sent commands, out io.Writer) commands {
	t.Helper()
	r := NewReader(bytes.NewReader(recorded(t, name)), 2*MinReaderSize)
	said := commands{}
	for {
		h, b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return said
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		line, err := describe(r, h, b, said, sent)
		if err != nil {
			t.Fatalf("%s: %s: %v", name, h.Type, err)
		}
		fmt.Fprintf(out, "%-11s %s\n", h.Type, line)
	}
}

func describe(r *Reader, h Header, b []byte, said, sent commands) (string, error) {
	switch h.Type {
	case ICReq:
		q, err := ParseInitRequest(b)
		r.Framing.Digests = q.Digests
		return fmt.Sprintf("%+v", q), err
	case ICResp:
		q, err := ParseInitResponse(b)
		r.Framing.Digests = q.Digests
		return fmt.Sprintf("%+v", q), err
	case CapsuleCmd:
		c, err := ParseCapsuleCommand(b)
		said[c.CID] = append(said[c.CID], c)
		line := fmt.Sprintf("cid %04x opcode %02x nsid %x sgl %02x %d, dwords %x", c.CID, c.Opcode, c.NSID, c.SGL.Type, c.SGL.Length, c.Dwords)
		if err == nil && r.DataLength() > 0 {
			var data []byte
			data, err = r.Data()
			line += describeData(&c, data, true)
		}
		return line, err
	case CapsuleResp:
		c, err := ParseCapsuleCompletion(b)
		if l := sent[c.CID]; len(l) > 0 {
			sent[c.CID] = l[1:]
		}
		return fmt.Sprintf("cid %04x result %x status %s", c.CID, c.Result, c.Status), err
	case R2T:
		q, err := ParseR2T(b)
		return fmt.Sprintf("%+v", q), err
	case H2CData, C2HData:
		d, err := r.Framing.ParseData(h, b)
		if err != nil {
			return "", err
		}
		data := make([]byte, d.Length)
		err = r.ReadData(data)
		line := fmt.Sprintf("%+v", d)
		if l := sent[d.CID]; h.Type == C2HData && len(l) > 0 {
			line += describeData(&l[0], data, false)
			if d.Success {
				sent[d.CID] = l[1:]
			}
		}
		return line, err
	}
	return "", nil
}

// describeData tells what the data of a command means.
func describeData(c *Command, b []byte, fromHost bool) string {
	var v any
	var err error
	switch {
	case fromHost && c.Opcode == Fabrics && c.FabricsType() == Connect:
		v, err = ParseConnectData(b)
	case !fromHost && c.Opcode == Identify && c.IdentifyWhat() == IdentifyControllerID:
		v, err = ParseIdentifyController(b)
	case !fromHost && c.Opcode == Identify && c.IdentifyWhat() == IdentifyNamespaceID:
		v, err = ParseIdentifyNamespace(b)
	case !fromHost && c.Opcode == Identify && c.IdentifyWhat() == IdentifyActiveID:
		v, err = ParseActiveNamespaces(b)
	case !fromHost && c.Opcode == Identify && c.IdentifyWhat() == IdentifyDescriptorsID:
		v, err = ParseNamespaceDescriptors(b)
	case c.Opcode == GetLogPage && c.Log().Log == LogANA:
		var changes uint64
		changes, v, err = ParseANALog(b)
		return fmt.Sprintf("\n            ANA log, %d changes: %+v, %v", changes, v, err)
	case c.Opcode == GetLogPage && c.Log().Log == LogDiscovery && len(b) > DiscoveryRecordSize:
		var n uint64
		if _, n, err = ParseDiscoveryHeader(b); err == nil {
			var list []DiscoveryRecord
			for i := range min(int(n), len(b)/DiscoveryRecordSize-1) {
				record, _, rerr := ParseDiscoveryRecord(b[(i+1)*DiscoveryRecordSize:])
				list, err = append(list, record), errors.Join(err, rerr)
			}
			v = list
		}
	default:
		return fmt.Sprintf("\n            %d bytes, digest %08x", len(b), Digest(b))
	}
	return fmt.Sprintf("\n            %+v, %v", v, err)
}
