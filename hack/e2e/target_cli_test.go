package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/nvmehost"
)

// TestUserspaceTargetCLI has nvme-cli discover, connect and look at the target.
func TestUserspaceTargetCLI(t *testing.T) {
	s := newTargetScene(t, nil)
	address, err := s.target.Address(1)
	must(t, err)
	const hostID = "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190899"
	at := []string{
		"-t", "tcp", "-a", address.Addr().String(), "-s", "4420",
		"-q", "nqn.2014-08.org.nvmexpress:uuid:" + hostID, "-I", hostID,
	}
	cli := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("nvme", args...).CombinedOutput()
		t.Logf("nvme %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			t.Errorf("nvme %s: %v", strings.Join(args, " "), err)
		}
		return string(out)
	}
	must(t, exec.Command("modprobe", "nvme-tcp").Run())
	discovered := cli(append([]string{"discover", "--output-format=json"}, at...)...)
	var log struct {
		Records []struct{ SubNQN, TrAddr, TrSvcID string }
	}
	must(t, json.Unmarshal([]byte(discovered), &log))
	if len(log.Records) != 2 || log.Records[0].SubNQN != s.nqn || log.Records[1].TrAddr != s.net.Paths[1].Target.String() {
		t.Errorf("nvme discover found %+v", log.Records)
	}
	s.connect(nvmehost.ConnectOptions{})
	subsystems := cli("list-subsys")
	for _, want := range []string{s.nqn, "traddr=" + s.net.Paths[0].Target.String(), "traddr=" + s.net.Paths[1].Target.String(), "live"} {
		if !strings.Contains(subsystems, want) {
			t.Errorf("nvme list-subsys does not show %s", want)
		}
	}
	controller, head := "/dev/"+s.controllers[0].String(), s.head.Device()
	cli("id-ctrl", controller)
	cli("id-ns", head)
	cli("ns-descs", head)
	cli("ana-log", controller)
	cli("smart-log", controller)
	cli("error-log", controller)
	cli("get-feature", controller, "-f", "0xb", "-H")
	cli("flush", head)
	cli("write-zeroes", head, "--start-block=0", "--block-count=7")
	cli("dsm", head, "--ad", "--slbs=0", "--blocks=8")
	cli("compare", head, "--start-block=0", "--block-count=7", "--data-size=4096", "--data=/dev/zero")
}
