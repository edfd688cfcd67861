package pods

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Account is the directory in which Kubernetes gives a pod the files of its service account.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

// Limits of a connection.
const (
	maxHeader   = 64 << 10
	connectTime = 10 * time.Second // for TCP, and again for TLS
)

// account is what Kubernetes gives a pod to speak with the API server. It writes the files anew while
// the pod runs, so they are read for each request.
type account struct {
	directory string // of the files token and ca.crt
	address   string // of the API server: HOST:PORT
}

// open makes a transport that trusts the authority of the cluster and no other, and reads the
// token. Each request has a connection of its own. Nothing is followed to another server,
// nothing goes through a proxy, and answers are not compressed, so that their size is known.
func (a account) open() (*http.Transport, string, error) {
	token, err := os.ReadFile(filepath.Join(a.directory, "token"))
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(a.directory, "ca.crt")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(text) {
		return nil, "", fmt.Errorf("read %s: there is no certificate in it", path)
	}
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSHandshakeTimeout:    connectTime,
		TLSClientConfig:        &tls.Config{RootCAs: authority},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}, strings.TrimSpace(string(token)), nil
}
