package native

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/multipath"
)

const (
	liveNQN = "nqn.2014-08.org.nvmexpress:uuid:0b1d0000-0000-4000-8000-000000000001" // of the captures
	liveID  = "0b1d0000-0000-4000-8000-000000000001"
	etcUUID = "11111111-2222-4333-8444-555555555555"
)

func TestHostOrder(t *testing.T) {
	captures, err := filepath.Glob("testdata/*/live.sysfs")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, tc := range []struct {
		name    string
		live    bool
		etc     map[string]string
		want    Host
		wantErr string
	}{
		{"the live one comes first", true, map[string]string{"hostnqn": uuidNQN + etcUUID, "hostid": etcUUID}, Host{liveNQN, liveID}, ""},
		{"then the configured one", false, map[string]string{"hostnqn": uuidNQN + etcUUID + "\n", "hostid": etcUUID + "\n"}, Host{uuidNQN + etcUUID, etcUUID}, ""},
		{"the ID that the name holds", false, map[string]string{"hostnqn": uuidNQN + etcUUID}, Host{uuidNQN + etcUUID, etcUUID}, ""},
		{"a name that is none", false, map[string]string{"hostnqn": "my-host"}, Host{}, "hostnqn"},
		{"an ID that is none", false, map[string]string{"hostnqn": uuidNQN + etcUUID, "hostid": "7"}, Host{}, "hostid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sysfs := t.TempDir()
			if tc.live {
				sysfs = unpack(t, captures[0])
			}
			e := testEngine(t, sysfs)
			for name, content := range tc.etc {
				put(t, e.etc, name, content)
			}
			got, err := e.Host(t.Context())
			switch {
			case tc.wantErr == "" && (err != nil || got != tc.want):
				t.Errorf("Host() = %+v, %v, want %+v", got, err, tc.want)
			case tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)):
				t.Errorf("Host() = %+v, %v, want an error with %q", got, err, tc.wantErr)
			}
		})
	}
}

// TestOwnHost: a node without an identity gets one, keeps it, and gets the
// same again from the same UID.
func TestOwnHost(t *testing.T) {
	host := func(e *Engine) Host {
		t.Helper()
		h, err := e.Host(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(h.NQN) != uuidNQN+h.ID {
			t.Errorf("name %s and ID %s do not belong together", h.NQN, h.ID)
		}
		return h
	}
	random := testEngine(t, t.TempDir())
	first := host(random)
	random.host = Host{} // as after a restart
	if again := host(random); again != first {
		t.Errorf("after a restart %+v, before %+v", again, first)
	}
	derive := func(uid string) Host {
		e := testEngine(t, t.TempDir())
		e.nodeUID = func(context.Context) (string, error) { return uid, nil }
		return host(e)
	}
	if a, b := derive("node-a"), derive("node-a"); a != b {
		t.Errorf("one UID gave %+v and %+v", a, b)
	}
	if a, b := derive("node-a"), derive("node-b"); a == b {
		t.Errorf("two UIDs gave %+v", a)
	}
	// The targets know it by then, whatever becomes of the Node object.
	e := testEngine(t, t.TempDir())
	for _, uid := range []string{"node-a", "node-a made anew"} {
		e.nodeUID = func(context.Context) (string, error) { return uid, nil }
		if got := host(e); got != derive("node-a") {
			t.Errorf("UID %q: %+v, want what was kept: %+v", uid, got, derive("node-a"))
		}
		e.host = Host{}
	}
}

// TestSeveralLiveHosts: where tools have connected by several identities, the
// configured one is the node's, else always the same.
func TestSeveralLiveHosts(t *testing.T) {
	captures, err := filepath.Glob("testdata/*/live.sysfs")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	sysfs := unpack(t, captures[0])
	controllers, err := filepath.Glob(filepath.Join(sysfs, "devices/virtual/nvme-fabrics/ctl/nvme*/hostnqn"))
	if err != nil || len(controllers) < 2 {
		t.Fatalf("%d controllers, %v, want two", len(controllers), err)
	}
	other := Host{NQN: "nqn.2014-08.org.nvmexpress:uuid:" + etcUUID, ID: etcUUID}
	put(t, filepath.Dir(controllers[1]), "hostnqn", string(other.NQN)+"\n")
	put(t, filepath.Dir(controllers[1]), "hostid", other.ID+"\n")
	e := testEngine(t, sysfs)
	if h, err := e.Host(t.Context()); err != nil || h.NQN != liveNQN {
		t.Errorf("Host() = %+v, %v, want the first by name", h, err)
	}
	e.host = Host{}
	put(t, e.etc, "hostnqn", string(other.NQN))
	if h, err := e.Host(t.Context()); err != nil || h != other {
		t.Errorf("Host() = %+v, %v, want the configured one of the two", h, err)
	}
}

// TestNodeUIDIsAskedWhenNeeded: the UID may be far away, and a node that has an
// identity needs none. One that cannot be had is no reason to make one up.
func TestNodeUIDIsAskedWhenNeeded(t *testing.T) {
	away := errors.New("the API server is away")
	e := testEngine(t, t.TempDir())
	e.nodeUID = func(context.Context) (string, error) { return "", away }
	if h, err := e.Host(t.Context()); !errors.Is(err, away) {
		t.Errorf("Host() = %+v, %v, want %v", h, err, away)
	}
	put(t, e.etc, "hostnqn", uuidNQN+etcUUID)
	if h, err := e.Host(t.Context()); err != nil || h.ID != etcUUID {
		t.Errorf("Host() = %+v, %v, want the configured one", h, err)
	}
}

func TestRegistry(t *testing.T) {
	r := registry{t.TempDir()}
	check := func(what, name, epoch, want string) {
		t.Helper()
		if got, err := r.owner(name, epoch); err != nil || got != want {
			t.Errorf("%s: owner(%s, %s) = %q, %v, want %q", what, name, epoch, got, err, want)
		}
	}
	check("nobody signed", "nvme0", "e1", "")
	if err := r.claim("nvme0", "e1"); err != nil {
		t.Fatal(err)
	}
	check("signed", "nvme0", "e1", multipath.Owner)
	check("an entry about an earlier controller", "nvme0", "e2", "")
	put(t, r.dir, "nvme1/owner", "stas\n")
	check("somebody else's", "nvme1", "e1", "stas")
	if err := r.forget("nvme0", "e2"); err != nil {
		t.Fatal(err)
	}
	check("another one of the name was forgotten", "nvme0", "e1", multipath.Owner)
	if err := r.forget("nvme0", "e1"); err != nil {
		t.Fatal(err)
	}
	check("forgotten", "nvme0", "e1", "")

	for _, name := range []string{"nvme2", "nvme3"} {
		if err := r.claim(name, "e1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.sweep(func(name string) bool { return name == "nvme3" }); err != nil {
		t.Fatal(err)
	}
	check("swept, for it does not exist", "nvme2", "e1", "")
	check("kept, for it exists", "nvme3", "e1", multipath.Owner)
	check("kept, for it is somebody else's", "nvme1", "e1", "stas")
}
