package target

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	goodNamespace = `{"nsid":1,"ids":["uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"],"size":"1MiB"}`
	goodSubsystem = `{"nqn":"nqn.2026-11.test.braid:s1","namespaces":[` + goodNamespace + `]}`
	goodPort      = `{"id":1,"address":"127.0.0.1:4420"}`
)

func TestParseConfig(t *testing.T) {
	with := func(subsystems, ports string) string {
		return `{"subsystems":[` + subsystems + `],"ports":[` + ports + `]}`
	}
	namespace := func(n string) string {
		return with(`{"nqn":"nqn.2026-11.test.braid:s1","namespaces":[`+n+`]}`, goodPort)
	}
	for _, tc := range []struct{ in, want string }{
		{with(goodSubsystem, goodPort), ""},
		{with(`{"nqn":"nqn.2026-11.test.braid:empty"}`, goodPort), ""},
		{with(goodSubsystem, `{"id":1,"address":"[2001:db8::1]:4420","ana":{"128":"change"}}`), ""},
		{`{`, "unexpected EOF"},
		{`{"portz":[]}`, `unknown field "portz"`},
		{with("", goodPort), "subsystems: there is none"},
		{with(goodSubsystem, ""), "ports: there is none"},
		{with(`{"nqn":"me"}`, goodPort), "subsystems[0].nqn: "},
		{with(`{"nqn":"nqn.2014-08.org.nvmexpress.discovery"}`, goodPort), "subsystems[0].nqn: nqn.2014-08.org.nvmexpress.discovery is taken"},
		{with(goodSubsystem+","+goodSubsystem, goodPort), "subsystems[1].nqn: "},
		{with(`{"nqn":"nqn.2026-11.test.braid:s1","serial":"012345678901234567890"}`, goodPort), "subsystems[0].serial: "},
		{with(`{"nqn":"nqn.2026-11.test.braid:s1","quiesceTime":"66s"}`, goodPort), "subsystems[0].quiesceTime: "},
		{with(goodSubsystem, goodPort+","+goodPort), "ports[1].id: 1 is taken"},
		{with(goodSubsystem, `{"address":"127.0.0.1:1"}`), "ports[0].id: "},
		{with(goodSubsystem, `{"id":1}`), "ports[0].address: is missing"},
		{with(goodSubsystem, `{"id":1,"address":"0.0.0.0:4420"}`), "ports[0].address: 0.0.0.0:4420 is not"},
		{with(goodSubsystem, `{"id":1,"address":"127.0.0.1:1","ana":{"0":"change"}}`), "ports[0].ana: group 0"},
		{with(goodSubsystem, `{"id":1,"address":"127.0.0.1:1","ana":{"1":"slow"}}`), `ports[0].ana: state "slow"`},
		{namespace(goodNamespace + "," + goodNamespace), "subsystems[0].namespaces[1].nsid: 1 is taken"},
		{namespace(`{"nsid":0}`), "namespaces[0].nsid: 0"},
		{namespace(`{"nsid":1025}`), "namespaces[0].nsid: 1025"},
		{namespace(`{"nsid":1,"size":"1MiB"}`), "namespaces[0].ids: "},
		{namespace(strings.Replace(goodNamespace, "1MiB", "1MB", 1)), `"1MB" is not a size`},
		{namespace(strings.Replace(goodNamespace, "1MiB", "99999999999TiB", 1)), "is not a size"},
		{namespace(strings.Replace(goodNamespace, "1MiB", "513B", 1)), "namespaces[0].size: 513"},
		{namespace(strings.Replace(goodNamespace, "1MiB", "0B", 1)), "namespaces[0].size: 0"},
		{namespace(strings.Replace(goodNamespace, `"nsid"`, `"file":"x","nsid"`, 1)), "namespaces[0].size: the file has its own"},
		{namespace(strings.Replace(goodNamespace, `"nsid"`, `"blockSize":1024,"nsid"`, 1)), "namespaces[0].blockSize: 1024"},
		{namespace(strings.Replace(goodNamespace, `"nsid"`, `"anaGroup":129,"nsid"`, 1)), "namespaces[0].anaGroup: 129"},
	} {
		_, err := ParseConfig(strings.NewReader(tc.in))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.in, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: error %v, want one with %q", tc.in, err, tc.want)
		}
	}
}

// TestStartFails: what cannot be opened is named, and nothing is left open.
func TestStartFails(t *testing.T) {
	taken := startTarget(t, testConfig())
	address, err := taken.Address(1)
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"ports[1].address: ":                    func(c *Config) { c.Ports[1].Address = address },
		"subsystems[0].namespaces[1].file: ":    func(c *Config) { c.Subsystems[0].Namespaces[1].File, c.Subsystems[0].Namespaces[1].Size = "/absent", 0 },
		"subsystems[0].namespaces[0].ids: ":     func(c *Config) { c.Subsystems[0].Namespaces[0].IDs = nil },
		"subsystems[0].namespaces[1].file: the": func(c *Config) { c.Subsystems[0].Namespaces[1] = oddFile(t, c.Subsystems[0].Namespaces[1]) },
	} {
		cfg := testConfig()
		change(&cfg)
		tg, err := Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if tg != nil {
			t.Errorf("a target that did not start was returned with %q", want)
		}
	}
}

// oddFile puts a namespace over a file that is no whole number of blocks.
func oddFile(t *testing.T, n NamespaceConfig) NamespaceConfig {
	t.Helper()
	n.File, n.Size = filepath.Join(t.TempDir(), "odd"), 0
	if err := os.WriteFile(n.File, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}
