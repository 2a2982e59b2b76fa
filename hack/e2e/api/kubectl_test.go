package api

import (
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestShortNames(t *testing.T) {
	created(t, newPathSet("short", "node-a"), newRemediation("short", "node-a", "admin"), newPolicy("short"), newMaintenance("short", "admin"))
	for name, want := range map[string]string{
		"nvps":        "nvmepathset.braid.dev/short",
		"pathset":     "nvmepathset.braid.dev/short",
		"nvpr":        "nvmepathremediation.braid.dev/short",
		"remediation": "nvmepathremediation.braid.dev/short",
		"nvpp":        "nvmepathpolicy.braid.dev/short",
		"pathpolicy":  "nvmepathpolicy.braid.dev/short",
		"nvpm":        "nvmepathmaintenance.braid.dev/short",
		"maintenance": "nvmepathmaintenance.braid.dev/short",
		"braid":       "nvmepathmaintenance.braid.dev/short nvmepathpolicy.braid.dev/short nvmepathremediation.braid.dev/short nvmepathset.braid.dev/short",
	} {
		out, err := server.Kubectl(t.Context(), "get", name, "--output=name")
		must(t, err)
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("kubectl get %s: %q, want %q", name, got, want)
		}
	}
}

// varies is what is different in each run.
var varies = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`(?m)[0-9]+s$`), "AGE"},
	{regexp.MustCompile(`(?m)^(  (?:Creation Timestamp|Resource Version|UID): +).*`), "${1}..."},
}

func kubectlGolden(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := server.Kubectl(t.Context(), args...)
	must(t, err)
	for _, v := range varies {
		out = v.pattern.ReplaceAllString(out, v.replacement)
	}
	golden(t, name, "$ kubectl "+strings.Join(args, " ")+"\n"+out)
}

func TestColumns(t *testing.T) {
	degraded := newPathSet("shelf1-db-5ebcfa1f02", "worker-1")
	degraded.Status = pathSetStatus()
	stored(t, degraded)

	healthy := newPathSet("shelf1-logs-c01e37b0aa", "worker-2")
	healthy.Spec.PersistentVolumeName, healthy.Spec.ClaimRef.Name = "logs", "logs-0"
	none := int64(0)
	healthy.Status = v1alpha1.NVMePathSetStatus{
		Summary: "2/2", UsablePaths: 2, ExpectedPaths: 2, Device: "nvme1n1", Failovers: &none,
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHealthy, LastTransitionTime: noon,
		}},
	}
	stored(t, healthy)

	// Without a PersistentVolume that anybody has told of, and without counters.
	staging := newPathSet("shelf2-scratch-77a0d9e3b1", "worker-2")
	staging.Spec.PersistentVolumeName, staging.Spec.ClaimRef = "", nil
	staging.Status = v1alpha1.NVMePathSetStatus{
		Summary: "0/2", ExpectedPaths: 2,
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonStaging, LastTransitionTime: noon,
		}},
	}
	stored(t, staging)
	created(t, newPathSet("shelf2-new-8bd1f7720c", "worker-3"))

	kubectlGolden(t, "get-pathsets.txt", "get", "nvmepathsets")
	kubectlGolden(t, "get-pathsets-wide.txt", "get", "nvmepathsets", "--output=wide")

	done := newRemediation("port-1", "worker-1", "admin")
	done.Status = remediationStatus()
	stored(t, done)
	created(t, newRemediation("port-2", "worker-1", "admin"))
	kubectlGolden(t, "get-remediations.txt", "get", "nvmepathremediations")

	refused := wantedByPolicy("port-3", "worker-1")
	refused.Spec.Path = "tcp://192.0.2.2:4420"
	refused.Spec.Actions = []v1alpha1.RemediationAction{v1alpha1.ActionResetController}
	refused.Status = v1alpha1.NVMePathRemediationStatus{
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: "LastUsablePath", LastTransitionTime: noon,
		}},
		Steps: []v1alpha1.RemediationStep{{Action: v1alpha1.ActionResetController, Outcome: v1alpha1.StepRefused, Reason: "LastUsablePath", Time: &noon}},
	}
	status := refused.Status
	asked(t, addNodes(t, "worker-1")[0], refused)
	refused.Status = status
	must(t, server.admin.Status().Update(t.Context(), refused))
	kubectlGolden(t, "get-remediations-wide.txt", "get", "nvmepathremediations", "--output=wide")

	gold := newPolicy("gold")
	gold.Spec.Selector = &v1alpha1.PathSetSelector{StorageClassNames: []string{"gold"}}
	gold.Spec.Priority = 10
	gold.Spec.Remediation = &v1alpha1.RemediationPolicy{Steps: []v1alpha1.RemediationAction{v1alpha1.ActionResetController, v1alpha1.ActionResetCounters}}
	stop := newPolicy("stop")
	stop.Spec = v1alpha1.NVMePathPolicySpec{Suspension: &v1alpha1.Suspension{Reason: "switch A is replaced"}}
	created(t, gold, stop)
	kubectlGolden(t, "get-policies.txt", "get", "nvmepathpolicies")

	drained, returned := newMaintenance("port-1", "admin"), newMaintenance("port-0", "admin")
	drained.Status = maintenanceStatus(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainRefused)
	returned.Status = maintenanceStatus(v1alpha1.ConditionReturned, metav1.ConditionTrue, v1alpha1.ReasonReturned)
	stored(t, drained)
	stored(t, returned)
	created(t, newMaintenance("port-2", "admin"))
	kubectlGolden(t, "get-maintenances.txt", "get", "nvmepathmaintenances")
	kubectlGolden(t, "get-maintenances-wide.txt", "get", "nvmepathmaintenances", "--output=wide")
}

func maintenanceStatus(condition string, is metav1.ConditionStatus, reason string) v1alpha1.NVMePathMaintenanceStatus {
	return v1alpha1.NVMePathMaintenanceStatus{
		Conditions: []metav1.Condition{{Type: condition, Status: is, Reason: reason, LastTransitionTime: noon}},
		Until:      &noon, Paths: 3, DrainedPaths: 2, RefusedPaths: 1, UsablePaths: 1,
	}
}

func TestDescribe(t *testing.T) {
	set := newPathSet("shelf1-db-5ebcfa1f02", "worker-1")
	set.Status = pathSetStatus()
	stored(t, set)
	kubectlGolden(t, "describe-pathset.txt", "describe", "nvmepathset", set.Name)

	done := newRemediation("port-1", "worker-1", "admin")
	done.Status = remediationStatus()
	stored(t, done)
	kubectlGolden(t, "describe-remediation.txt", "describe", "nvmepathremediation", done.Name)
}
