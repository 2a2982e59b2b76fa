package pki

import "encoding/json"

// Kubeconfig tells a client which server to ask and as whom. It is JSON, which
// is YAML.
func (a *Authority) Kubeconfig(server string, client Pair) ([]byte, error) {
	type named map[string]any
	return json.MarshalIndent(named{
		"apiVersion": "v1", "kind": "Config", "current-context": "braid",
		"clusters": []named{{"name": "braid", "cluster": named{
			"server": server, "certificate-authority-data": a.PEM.Cert,
		}}},
		"users": []named{{"name": "user", "user": named{
			"client-certificate-data": client.Cert, "client-key-data": client.Key,
		}}},
		"contexts": []named{{"name": "braid", "context": named{"cluster": "braid", "user": "user"}}},
	}, "", "  ")
}
