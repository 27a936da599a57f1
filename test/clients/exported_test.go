// Connects with what `natspki export` wrote: a PKCS#12 file, and a folder of PEM files.
package example

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"github.com/nats-io/nats.go"
	"software.sslmate.com/src/go-pkcs12"
)

func TestPKCS12(t *testing.T) {
	for _, file := range []string{"alice.p12", "legacy.p12"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key, certificate, authorities, err := pkcs12.DecodeChain(data, "secret word")
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		roots := x509.NewCertPool()
		for _, authority := range authorities {
			roots.AddCert(authority)
		}
		pair := tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
		publish(t, nats.Secure(&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}))
	}
}

func TestPEM(t *testing.T) {
	publish(t, nats.RootCAs("alice/ca.pem"), nats.ClientCert("alice/alice-cert.pem", "alice/alice-key.pem"))
	publish(t, nats.RootCAs("alice.pem"), nats.ClientCert("alice.pem", "alice.pem"))
}

func publish(t *testing.T, options ...nats.Option) {
	t.Helper()
	client, err := nats.Connect(os.Getenv("NATS_URL"), options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Publish("exported", []byte("go"))
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
}
