// Package gotest is an example of a Go test that puts a program's own client and server
// under faults of the network, each in turn. The tests are the example:
//
//	service.go   the server under test: an account over UDP, and a file over TCP
//	client.go    its client, which asks again until it is answered
//
// main_test.go makes two hosts and a device between client and server, faults_test.go has
// a test for each fault. To use it, copy the directory into a module of your own, and put
// your own client and server in place of these two files.
package gotest

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// Account is what the server tells of its account.
type Account struct {
	Total int // the sum of what was added
	Heard int // how many requests to add something came in, the same one counted again
}

// Server keeps an account over UDP, and sends a file to everybody who connects over TCP.
type Server struct {
	File []byte

	mu      sync.Mutex
	account Account
	done    map[uint64]bool // keys of requests that were carried out

	packets net.PacketConn
	streams net.Listener
}

// Listen opens both sockets, with the same address, and serves until Close.
func (s *Server) Listen(address string) (err error) {
	s.done = make(map[uint64]bool)
	if s.packets, err = net.ListenPacket("udp", address); err != nil {
		return err
	}
	if s.streams, err = net.Listen("tcp", address); err != nil {
		s.packets.Close()
		return err
	}
	go s.keepAccount()
	go s.sendFiles()
	return nil
}

// Close closes the sockets.
func (s *Server) Close() error { return errors.Join(s.packets.Close(), s.streams.Close()) }

// keepAccount answers one request after the other.
func (s *Server) keepAccount() {
	packet := make([]byte, 100)
	for {
		n, from, err := s.packets.ReadFrom(packet)
		if err != nil {
			return
		}
		var key uint64
		var amount int
		if _, err := fmt.Sscanf(string(packet[:n]), "%d %d", &key, &amount); err != nil {
			continue
		}
		now := s.add(key, amount)
		_, _ = s.packets.WriteTo(fmt.Appendf(nil, "%d %d", now.Total, now.Heard), from)
	}
}

// add carries out a request, but not a second time if it has a key. An amount of 0 only asks.
func (s *Server) add(key uint64, amount int) Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	if amount == 0 {
		return s.account
	}
	s.account.Heard++
	if key == 0 || !s.done[key] {
		s.account.Total += amount
		s.done[key] = true
	}
	return s.account
}

func (s *Server) sendFiles() {
	for {
		c, err := s.streams.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = c.Write(s.File)
		}()
	}
}
