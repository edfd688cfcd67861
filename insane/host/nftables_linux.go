package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Attributes of uapi/linux/netfilter/nf_tables.h that package unix does not have.
const (
	nftaHookDevs     = 4
	nftaDeviceName   = 1
	nftaDevicePrefix = 2 // of a name: the chain is for every link whose name begins so
)

// nlaFlags are the bits of the type of an attribute that are no part of the type.
const nlaFlags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER

// nftNewGeneration is the type of the message that the kernel sends after each change of
// nftables, when the change is in force.
const nftNewGeneration = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN

// errNoNFTables means that the kernel has no nftables at the moment.
var errNoNFTables = errors.New("the kernel has no nftables")

// nftables asks the kernel for the chains of nftables. Its socket is opened by the first
// question, because opening it can make the kernel load a module.
type nftables struct {
	mu     sync.Mutex
	socket *nl.SocketHandle // nil: not opened yet
}

// EgressChain reports whether nftables has a chain at the egress hook of the link with this
// name. It is false on a kernel without nftables. A chain of a dormant table counts. It
// must be called in the network namespace in which the Links were opened.
func (l *Links) EgressChain(name string) (bool, error) {
	found, err := dump(l.nftables.chains)
	switch {
	case errors.Is(err, errNoNFTables), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("list chains of nftables: %w", err)
	}
	for _, chain := range found {
		if atEgress(chain, name) {
			return true, nil
		}
	}
	return false, nil
}

// chains lists the chains of nftables that belong to links (struct nfgenmsg, and then
// attributes).
func (n *nftables) chains() ([][]byte, error) {
	if !hasNFTables() {
		return nil, errNoNFTables
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socket == nil {
		socket, err := nl.Subscribe(unix.NETLINK_NETFILTER) // without a group: it gets answers only
		if err != nil {
			return nil, err
		}
		n.socket = &nl.SocketHandle{Socket: socket}
	}
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETCHAIN, unix.NLM_F_DUMP)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: n.socket}
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_NETDEV})
	return req.Execute(unix.NETLINK_NETFILTER, 0)
}

// close closes the socket, if it was ever opened.
func (n *nftables) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socket != nil {
		n.socket.Close()
	}
}

// atEgress reports whether a chain is at the egress hook of the link with this name.
func atEgress(chain []byte, name string) bool {
	egress, named := false, false
	for kind, hook := range attributes(chain[min(nl.SizeofNfgenmsg, len(chain)):]) {
		if kind&^nlaFlags != unix.NFTA_CHAIN_HOOK {
			continue
		}
		for kind, value := range attributes(hook) {
			switch kind &^ nlaFlags {
			case unix.NFTA_HOOK_HOOKNUM:
				egress = len(value) == 4 && binary.BigEndian.Uint32(value) == unix.NF_NETDEV_EGRESS
			case unix.NFTA_HOOK_DEV:
				named = named || unix.ByteSliceToString(value) == name
			case nftaHookDevs:
				named = named || listsDevice(value, name)
			}
		}
	}
	return egress && named
}

// listsDevice reports whether a list of links has the link with this name.
func listsDevice(list []byte, name string) bool {
	for kind, value := range attributes(list) {
		text := unix.ByteSliceToString(value)
		switch kind &^ nlaFlags {
		case nftaDeviceName:
			if text == name {
				return true
			}
		case nftaDevicePrefix:
			if strings.HasPrefix(name, text) {
				return true
			}
		}
	}
	return false
}

// hasNFTables reports whether the kernel has nftables now. The kernel would answer a
// question by loading the module, and a device changes nothing on its host. In doubt, which
// is possible in a container without /lib/modules, it returns true.
func hasNFTables() bool {
	loaded, err := readAll("/proc/modules")
	if err != nil {
		return true // a kernel without modules: it has nftables or never will
	}
	for line := range bytes.Lines(loaded) {
		if bytes.HasPrefix(line, []byte("nf_tables ")) {
			return true
		}
	}
	return builtInNFTables()
}

// builtInNFTables reports whether nftables is, or may be, a part of the kernel itself.
var builtInNFTables = sync.OnceValue(func() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return true
	}
	list, err := os.ReadFile("/lib/modules/" + unix.ByteSliceToString(name.Release[:]) + "/modules.builtin")
	return err != nil || bytes.Contains(list, []byte("/nf_tables.ko"))
})

// subscribeNFTables opens a socket that receives a message after each change of nftables,
// and no others: with every change come the messages about each rule of it.
func subscribeNFTables() (*nl.NetlinkSocket, error) {
	if !hasNFTables() {
		return nil, errNoNFTables
	}
	socket, err := nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of nftables: %w", err)
	}
	// The type of a message is at offset 4 in the byte order of the host. Classic BPF
	// reads it as if it were in network byte order.
	kind := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, nftNewGeneration))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(kind), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: ^uint32(0)},
		{Code: unix.BPF_RET | unix.BPF_K},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(socket.GetFd(), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		socket.Close()
		return nil, fmt.Errorf("filter changes of nftables: %w", err)
	}
	return socket, nil
}
