package kubectl

import (
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestParseTarget(t *testing.T) {
	claim, set := target{namespace: "shop", claim: "orders"}, target{pathSet: "orders-0123456789"}
	for argument, want := range map[string]target{
		"orders": claim, "pvc/orders": claim, "persistentvolumeclaims/orders": claim,
		"pathset/orders-0123456789": set, "nvps/orders-0123456789": set, "nvmepathset/orders-0123456789": set,
	} {
		if got, err := parseTarget(argument, "shop"); got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", argument, got, err, want)
		}
	}
	for _, argument := range []string{"", "pvc/", "pod/orders", "shop/orders", "pvc/shop/orders"} {
		if got, err := parseTarget(argument, "shop"); err == nil || !strings.Contains(err.Error(), `argument "`+argument+`"`) {
			t.Errorf("%q: %+v, %v; want an error that names it", argument, got, err)
		}
	}
}

func TestOneOf(t *testing.T) {
	a, b := newSet("shop", "orders", "node-a"), newSet("shop", "orders", "node-b")
	orders := target{namespace: "shop", claim: "orders"}
	if got, err := oneOf(orders, []v1alpha1.NVMePathSet{b}); err != nil || got.Spec.NodeName != "node-b" {
		t.Errorf("one path set: %v, %v", got, err)
	}
	_, err := oneOf(orders, []v1alpha1.NVMePathSet{b, a})
	const want = `persistentvolumeclaim "orders" in namespace "shop" is on 2 nodes: say with --node which of node-a, node-b`
	if err == nil || err.Error() != want {
		t.Errorf("two path sets: %v, want %s", err, want)
	}
}
