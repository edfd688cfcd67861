package control

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// idle opens some hundred connections and sends nothing.
func (a *attacker) idle() {
	for range a.crowd(200) {
		a.connect()
	}
	<-a.stop
}

func (a *attacker) drip() {
	for range a.crowd(50) {
		if conn := a.connect(); conn != nil {
			go func() {
				for _, b := range []byte("PUT /v1/info HTTP/1.1\r\nHost: insane\r\nContent-Length: 100\r\n\r\n{") {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
		}
	}
	<-a.stop
}

// gibibyte sends a body of 1 GiB. The daemon must refuse it long before its end.
func (a *attacker) gibibyte() {
	conn := a.connect()
	if conn == nil {
		return
	}
	go io.Copy(io.Discard, conn)
	const size = 1 << 30
	fmt.Fprintf(conn, "PUT /v1/info HTTP/1.1\r\nHost: insane\r\nContent-Length: %d\r\n\r\n", size)
	sent, chunk := 0, []byte(strings.Repeat(" ", 64<<10))
	for sent < size {
		n, err := conn.Write(chunk)
		sent += n
		if err != nil {
			break
		}
	}
	if sent > 4<<20 {
		a.t.Errorf("the daemon took %d bytes of a body", sent)
	}
}

func (a *attacker) nonsense() {
	for _, line := range []string{
		"BREW /v1/info HTTP/1.1", "DELETE /v1/info HTTP/1.1", "GET /v2/info HTTP/1.1", "GET /../../etc/passwd HTTP/1.1",
		"POST /metrics HTTP/1.1", "GET /v1/info HTTP/9.9", "CONNECT x:1 HTTP/1.1", "\x16\x03\x01\x02\x00",
		"GET " + strings.Repeat("/x", 50_000) + " HTTP/1.1",
	} {
		if conn := a.connect(); conn != nil {
			status := ask(conn, line+"\r\nHost: insane\r\n\r\n")
			conn.Close()
			if status != 0 && status < 400 { // 0: the crowd was too large
				a.t.Errorf("%.40q is answered with status %d", line, status)
			}
		}
	}
}

func (a *attacker) deep() {
	for _, body := range []string{
		strings.Repeat(`{"tx":`, 10_000), strings.Repeat("[", 60_000), `{"tx":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}",
		`{"tx":"percent ` + strings.Repeat("9", 60_000) + `"}`, `{"tx":"pass"}{"tx":"pass"}`, `{"no-such":1}`, "null null", "\x00",
	} {
		if conn := a.connect(); conn != nil {
			status := ask(conn, fmt.Sprintf("PUT /v1/info HTTP/1.1\r\nHost: insane\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			conn.Close()
			if want := a.refusal(); status != 0 && status != want {
				a.t.Errorf("%.40q is answered with status %d, want %d", body, status, want)
			}
		}
	}
}

// refusal returns the status for an invalid body. The daemon does not even read the body of
// a user who may not change anything.
func (a *attacker) refusal() int {
	if a.user.uid == 0 {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

func (a *attacker) halfClose() {
	for range 20 {
		if conn := a.connect(); conn != nil {
			io.WriteString(conn, "GET /v1/info HTTP/1.1\r\nHost: insane\r\n")
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}
}

// descriptors sends as many descriptors as one message can have (net/core/scm.c,
// SCM_MAX_FD) with a request. The kernel refuses them, or the daemon must not keep them.
func (a *attacker) descriptors() {
	null, err := os.Open(os.DevNull)
	if err != nil {
		a.t.Error(err)
		return
	}
	defer null.Close()
	fds := make([]int, 253)
	for i := range fds {
		fds[i] = int(null.Fd())
	}
	before := testbed.CountDescriptors(a.t, a.daemon.PID())
	for range 10 {
		conn := a.connect()
		if conn == nil {
			continue
		}
		_, _, err := conn.WriteMsgUnix([]byte("GET /v1/info HTTP/1.1\r\nHost: insane\r\n\r\n"), syscall.UnixRights(fds...), nil)
		if err == nil {
			readStatus(conn)
		}
		conn.Close()
		// The attack has some hundred connections, not some thousand.
		if now := testbed.CountDescriptors(a.t, a.daemon.PID()); now > before+200 {
			a.t.Errorf("the daemon has %d descriptors", now)
		}
	}
}

func (a *attacker) leave() {
	for range a.crowd(200) {
		if conn := a.connect(); conn != nil {
			io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: insane\r\n\r\n")
			conn.Close()
		}
	}
}

// ask sends a request and returns the status of the answer; 0 if there is none.
func ask(conn net.Conn, request string) int {
	go io.WriteString(conn, request)
	return readStatus(conn)
}

func readStatus(conn net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
