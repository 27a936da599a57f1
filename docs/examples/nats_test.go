// Go, with nats.go: starts natspki-nats-server with certificates of its own, on a free port.
package example

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// startNats starts a server with mutual TLS in the folder of the test. It returns the URL of the server, and the options
// of the client alice. The server ends with the test.
func startNats(t *testing.T) (string, []nats.Option) {
	t.Helper()
	folder := t.TempDir()
	initialize := exec.Command("natspki", "init", "--yes", "--host", "localhost", "127.0.0.1", "--client", "alice")
	initialize.Dir = folder
	if output, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	server := exec.Command("natspki-nats-server", "-c", "nats.conf", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", ".")
	server.Dir = folder
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	})
	certs := filepath.Join(folder, "certs")
	return waitForURL(t, folder), []nats.Option{
		nats.RootCAs(filepath.Join(certs, "ca.pem")),
		nats.ClientCert(filepath.Join(certs, "alice-cert.pem"), filepath.Join(certs, "alice-key.pem")),
	}
}

// waitForURL waits for the file with the ports, which the server writes when clients can connect.
func waitForURL(t *testing.T, folder string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(folder, "*.ports"))
		if len(files) == 0 {
			continue
		}
		text, err := os.ReadFile(files[0])
		var ports struct{ Nats []string }
		if err == nil && json.Unmarshal(text, &ports) == nil && len(ports.Nats) > 0 {
			return ports.Nats[0]
		}
	}
	t.Fatal("natspki-nats-server did not start")
	return ""
}

func TestGreeting(t *testing.T) {
	url, options := startNats(t)
	client, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Subscribe("greet", func(request *nats.Msg) {
		request.Respond([]byte("hello " + string(request.Data)))
	})
	reply, err := client.Request("greet", []byte("alice"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if string(reply.Data) != "hello alice" {
		t.Fatalf("received %q", reply.Data)
	}
}
