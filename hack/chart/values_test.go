package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestBadValues gives the chart what it must refuse, naming what is wrong.
func TestBadValues(t *testing.T) {
	for _, tc := range []struct {
		value, wrong string
	}{
		{`nodes={}`, "additional properties 'nodes'"},
		{`image=null`, "missing property 'image'"},
		{`node={"metricPort":1}`, "at '/node': additional properties 'metricPort'"},
		{`fullnameOverride="Braid"`, "/fullnameOverride"},
		{`fullnameOverride="` + strings.Repeat("a", 41) + `"`, "/fullnameOverride"},
		{`commonLabels={"helm.sh/chart":"x"}`, "/commonLabels/helm.sh~1chart"},
		{`commonLabels={"team":"a b"}`, "/commonLabels/team"},
		{`commonAnnotations={"n":1}`, "/commonAnnotations/n"},
		{`image.repository="https://ghcr.io/braid"`, "/image/repository"},
		{`image.repository="ghcr.io/braid:v1"`, "/image/repository"},
		{`image.tag=1.1`, "/image/tag"},
		{`image.tag="v1 "`, "/image/tag"},
		{`image.digest="sha256:abc"`, "/image/digest"},
		{`image.pullPolicy="Sometimes"`, "/image/pullPolicy"},
		{`image.pullSecrets=[{"name":"x"}]`, "/image/pullSecrets/0"},
		{`kubeletDir="var/lib/kubelet"`, "/kubeletDir"},
		{`kubeletDir="/var/lib/kubelet/"`, "/kubeletDir"},
		{`kubeletDir="/var/lib/../kubelet"`, "/kubeletDir"},
		{`kubeletDir="/var/lib/my kubelet"`, "/kubeletDir"},
		{`kubeletDir="/` + strings.Repeat("a", 64) + `"`, "/kubeletDir"},
		{`logLevel="2"`, "/logLevel"},
		{`logLevel=11`, "/logLevel"},
		{`crds.install="yes"`, "/crds/install"},
		{`crds.keep=1`, "/crds/keep"},
		{`admission.enabled="off"`, "/admission/enabled"},
		{`health.pollInterval="9ms"`, "/health/pollInterval"},
		{`health.pollInterval="61s"`, "/health/pollInterval"},
		{`health.raiseAfter=5`, "/health/raiseAfter"},
		{`health.clearAfter="-1s"`, "/health/clearAfter"},
		{`health.clearAfter="5 minutes"`, "/health/clearAfter"},
		{`node.stateDir="braid"`, "/node/stateDir"},
		{`node.stateDir=""`, "/node/stateDir"},
		{`node.modulesDir="lib"`, "/node/modulesDir"},
		{`node.bpf="no"`, "/node/bpf"},
		{`node.healthPort=0`, "/node/healthPort"},
		{`node.healthPort=65536`, "/node/healthPort"},
		{`node.metricsAddress="localhost"`, "/node/metricsAddress"},
		{`node.metricsAddress="127.0.0.1:9810"`, "/node/metricsAddress"},
		{`node.metricsPort="9810"`, "/node/metricsPort"},
		{`node.metricsPort=-1`, "/node/metricsPort"},
		{`node.legacyVolumeCondition="yes"`, "/node/legacyVolumeCondition"},
		{`node.maxUnavailable=0`, "/node/maxUnavailable"},
		{`node.maxUnavailable="101%"`, "/node/maxUnavailable"},
		{`node.priorityClassName=null`, "at '/node': missing property 'priorityClassName'"},
		{`node.tolerations={}`, "/node/tolerations"},
		{`node.tolerations=[{"effect":"Never"}]`, "/node/tolerations/0/effect"},
		{`node.nodeSelector={"nvme":true}`, "/node/nodeSelector/nvme"},
		{`node.affinity={"node":{}}`, "/node/affinity"},
		{`node.podLabels={"app.kubernetes.io/name":"x"}`, "/node/podLabels/app.kubernetes.io~1name"},
		{`node.podAnnotations=[]`, "/node/podAnnotations"},
		{`node.resources.limits={"memory":"lots"}`, "/node/resources/limits/memory"},
		{`node.resources.limits={"gpu":1}`, "/node/resources/limits"},
		{`controller.replicas=-1`, "/controller/replicas"},
		{`controller.releaseTimeout="never"`, "/controller/releaseTimeout"},
		{`controller.releaseTimeout="2m"`, "/controller/releaseTimeout"},
		{`controller.releaseTimeout="600s"`, "/controller/releaseTimeout"},
		{`controller.releaseTimeout=600`, "/controller/releaseTimeout"},
		{`controller.priorityClassName=1`, "/controller/priorityClassName"},
		{`controller.tolerations=[1]`, "/controller/tolerations/0"},
		{`controller.nodeSelector=[]`, "/controller/nodeSelector"},
		{`controller.affinity=[]`, "/controller/affinity"},
		{`controller.podLabels={"a":1}`, "/controller/podLabels/a"},
		{`controller.podAnnotations={"a":{}}`, "/controller/podAnnotations/a"},
		{`controller.resources={"request":{}}`, "/controller/resources"},
		{`networkPolicy.enabled=1`, "/networkPolicy/enabled"},
		{`networkPolicy.metricsFrom=[{}]`, "/networkPolicy/metricsFrom/0"},
		{`podMonitor.enabled="true"`, "/podMonitor/enabled"},
		{`podMonitor.interval="often"`, "/podMonitor/interval"},
		{`podMonitor.labels={"release":true}`, "/podMonitor/labels/release"},
	} {
		_, diagnostics, err := helm(t, "template", "braid", chartDir, "--set-json", tc.value)
		if err == nil || !strings.Contains(diagnostics, tc.wrong) {
			t.Errorf("%s: error %v, want one with %q:\n%s", tc.value, err, tc.wrong, diagnostics)
		}
	}
}

// TestLegacyVolumeCondition: kubelets are as old as the cluster, unless somebody
// knows better.
func TestLegacyVolumeCondition(t *testing.T) {
	for _, tc := range []struct{ version, set, want string }{
		{"1.31.0", "auto", "true"},
		{"1.36.3", "auto", "true"},
		{"v1.36.9-eks-0a1b2c3", "auto", "true"},
		{"1.37.0-rc.1", "auto", "false"},
		{"1.37.2", "auto", "false"},
		{"1.37.2", "true", "true"},
		{"1.36.3", "false", "false"},
	} {
		out := render(t, "--kube-version", tc.version, "--set", "node.legacyVolumeCondition="+tc.set)
		if !strings.Contains(out, "\n            - -legacy-volume-condition="+tc.want+"\n") {
			t.Errorf("Kubernetes %s, %s: the flag is not %s", tc.version, tc.set, tc.want)
		}
	}
}

// outside are the values that are for a chart around this one.
var outside = []string{"/global", "/enabled"}

// node is a part of a JSON schema.
type node struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Additional json.RawMessage            `json:"additionalProperties"`
	Required   []string                   `json:"required"`
}

// TestSchema sees that the schema describes nothing that is not there, and is
// strict all over.
func TestSchema(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	compare(t, "", raw, values)
}

func compare(t *testing.T, path string, schema json.RawMessage, values map[string]any) {
	var n node
	if err := json.Unmarshal(schema, &n); err != nil {
		t.Fatalf("schema of %s: %v", path, err)
	}
	if len(n.Properties) > 0 && string(n.Additional) != "false" {
		t.Errorf("schema of %s: additionalProperties is %s, want false", path, n.Additional)
	}
	for name, property := range n.Properties {
		value, ok := values[name]
		switch {
		case slices.Contains(outside, path+"/"+name):
		case !ok:
			t.Errorf("%s/%s: is in the schema, but not in values.yaml", path, name)
		case !slices.Contains(n.Required, name):
			t.Errorf("%s/%s: null would take it away: the schema does not require it", path, name)
		}
		if inner, ok := value.(map[string]any); ok {
			compare(t, path+"/"+name, property, inner)
		}
	}
}
