package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"testing"
)

// TestHandshake lets crypto/tls judge: it does not know how they were made.
func TestHandshake(t *testing.T) {
	a, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.Server("kubernetes", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	client, err := a.Client("system:node:n", "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM.Cert)
	for _, name := range []string{"kubernetes", "192.0.2.1"} {
		ours, theirs := net.Pipe()
		s := tls.Server(ours, &tls.Config{
			Certificates: []tls.Certificate{load(t, server)}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		})
		c := tls.Client(theirs, &tls.Config{Certificates: []tls.Certificate{load(t, client)}, RootCAs: pool, ServerName: name})
		done := make(chan error, 1)
		go func() { done <- c.HandshakeContext(context.Background()) }()
		if err := s.HandshakeContext(t.Context()); err != nil {
			t.Fatalf("%s: server: %v", name, err)
		}
		if err := <-done; err != nil {
			t.Fatalf("%s: client: %v", name, err)
		}
		subject := s.ConnectionState().PeerCertificates[0].Subject
		if got, want := subject.String(), "CN=system:node:n,O=system:nodes"; got != want {
			t.Errorf("%s: the server sees %s, want %s", name, got, want)
		}
	}
}

func TestKubeconfig(t *testing.T) {
	a, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Kubeconfig("https://192.0.2.1:443", a.PEM)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
	}
	if err := json.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	c := config.Clusters[0].Cluster
	if c.Server != "https://192.0.2.1:443" || string(c.CA) != string(a.PEM.Cert) {
		t.Errorf("cluster %+v in\n%s", c, b)
	}
}

func load(t *testing.T, p Pair) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
