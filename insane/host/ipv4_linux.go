package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Settings of IPv4 of one link (uapi/linux/ip.h, IPV4_DEVCONF_…).
const (
	confForwarding       = 1
	confProxyARP         = 3
	confAcceptRedirects  = 4
	confSecureRedirects  = 5
	confSendRedirects    = 6
	confSharedMedia      = 7
	confRPFilter         = 8
	confSourceRoute      = 9
	confLogMartians      = 11
	confMediumID         = 14
	confNoXfrm           = 15
	confNoPolicy         = 16
	confARPAnnounce      = 18
	confAcceptLocal      = 23
	confMark             = 24
	confProxyARPPVLAN    = 25
	confRouteLocalnet    = 26
	confDropUnicastInL2  = 30
	confForwardBroadcast = 32
)

// sharedConf are the settings that the host must have for a routed host on the device as on
// the slave. All of them say how the host handles packets, and not who may answer on which
// link. rp_filter is apart: see AdoptSettings.
var sharedConf = [...]int{
	confForwarding, confProxyARP, confAcceptRedirects, confSecureRedirects, confSendRedirects,
	confSharedMedia, confSourceRoute, confLogMartians, confMediumID, confNoXfrm, confNoPolicy,
	confARPAnnounce, confAcceptLocal, confMark, confProxyARPPVLAN, confRouteLocalnet,
	confDropUnicastInL2, confForwardBroadcast,
}

// noConf is no value of a setting.
const noConf = math.MinInt32

// sharedFiles are further such settings, which the kernel has only below /proc/sys/net; NAME
// stands for the link. How long an answer by proxy waits is among them. Not every kernel has
// all of them.
var sharedFiles = [...]string{
	"ipv4/neigh/NAME/proxy_delay", "ipv4/neigh/NAME/proxy_qlen",
	"ipv6/conf/NAME/forwarding", "ipv6/conf/NAME/force_forwarding",
	"ipv6/conf/NAME/accept_redirects", "ipv6/conf/NAME/accept_source_route", "ipv6/conf/NAME/hop_limit",
	"ipv6/conf/NAME/drop_unicast_in_l2_multicast", "ipv6/conf/NAME/seg6_enabled",
	"ipv6/conf/NAME/ioam6_enabled", "ipv6/conf/NAME/rpl_seg_enabled",
}

// Settings are the settings of a link that matter for the hosts behind it: how the host
// forwards, redirects and answers by proxy. The zero value means that nobody has looked.
// Settings can be compared.
type Settings struct {
	conf    [len(sharedConf)]int32 // by the position in sharedConf; noConf: the kernel does not have it
	files   [len(sharedFiles)]string
	rp      int32       // rp_filter
	proxied addressList // single addresses for which the host answers by proxy
	read    bool
}

// Settings reads the settings of a link. Those below /proc are of the network namespace of
// the calling thread, and are read by the name of the link.
func (l *Links) Settings(link Link) (s Settings, err error) {
	conf, err := l.ipv4Conf(link.Index)
	if err != nil || conf == nil {
		return s, err
	}
	at := func(id int) int32 {
		if len(conf) < 4*id {
			return noConf
		}
		return int32(binary.NativeEndian.Uint32(conf[4*(id-1):]))
	}
	for i, id := range sharedConf {
		s.conf[i] = at(id)
	}
	for i, path := range sharedFiles {
		text, err := os.ReadFile(settingFile(path, link.Name))
		if err == nil {
			s.files[i] = string(bytes.TrimSpace(text))
		}
	}
	proxied, err := l.Proxied(link.Index)
	if err != nil {
		return Settings{}, err
	}
	s.rp, s.proxied, s.read = at(confRPFilter), toAddressList(proxied), true
	return s, nil
}

// settingFile returns the path of one of sharedFiles for a link.
func settingFile(path, link string) string {
	return filepath.Join("/proc/sys/net", strings.Replace(path, "NAME", link, 1))
}

// ipv4Conf returns the values of all settings of IPv4 of a link, in the order of their
// numbers, which begin with 1. It returns nil if the link has no IPv4.
func (l *Links) ipv4Conf(index int) ([]byte, error) {
	families, err := l.attribute(index, unix.IFLA_AF_SPEC)
	if err != nil {
		return nil, err
	}
	for family, settings := range attributes(families) {
		if family&^unix.NLA_F_NESTED != unix.AF_INET {
			continue
		}
		for kind, values := range attributes(settings) {
			if kind&^unix.NLA_F_NESTED == unix.IFLA_INET_CONF {
				return values, nil
			}
		}
	}
	return nil, nil
}

// AdoptSettings gives the interface the settings of its slave, unless they are what it was
// given last: a user may have changed them on the interface. Only the single addresses of
// proxy ARP are looked at each time, as the kernel forgets them. It never makes a reverse path
// check, but ends that of the interface unless the slave's is strict, so that no packet is
// refused that the slave would accept: a loose check, too, refuses much on an interface without
// an IPv4 address (net/ipv4/fib_frontend.c, __fib_validate_source). Settings below /proc stay as they are where /proc/sys
// is read-only, as in containers. Only one goroutine at a time may call it.
func (i *Interface) AdoptSettings(s Settings) error {
	if !s.read || s == i.settings && s.proxied == "" {
		return nil
	}
	self, err := i.Look()
	if err != nil {
		return ignore(err, ErrAway)
	}
	if err := i.links.adoptProxied(self.Index, s.proxied, i.settings.proxied); err != nil {
		return fmt.Errorf("answer by proxy on %s: %w", self.Name, err)
	}
	if s == i.settings {
		return nil
	}
	have, err := i.links.Settings(self)
	if err != nil || !have.read {
		return err
	}
	change := make(map[int]int32)
	for n, value := range s.conf {
		if value != noConf && value != have.conf[n] {
			change[sharedConf[n]] = value
		}
	}
	const off, strict = 0, 1
	if have.rp != off && s.rp != strict {
		change[confRPFilter] = off
	}
	err = errors.Join(i.links.setIPv4Conf(self.Index, change), have.writeFiles(s, self.Name))
	if err != nil {
		return fmt.Errorf("set what %s shares with its slave: %w", self.Name, err)
	}
	i.settings = s
	return nil
}

// writeFiles writes the settings of want that differ.
func (s *Settings) writeFiles(want Settings, link string) (err error) {
	for n, path := range sharedFiles {
		if want.files[n] == "" || want.files[n] == s.files[n] {
			continue
		}
		failed := os.WriteFile(settingFile(path, link), []byte(want.files[n]), 0)
		if !errors.Is(failed, unix.EROFS) && !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// setIPv4Conf sets settings of IPv4 of a link, by their numbers.
func (l *Links) setIPv4Conf(index int, values map[int]int32) error {
	if len(values) == 0 {
		return nil
	}
	req := l.request(unix.RTM_SETLINK, unix.NLM_F_ACK, index)
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := families.AddRtAttr(unix.AF_INET, nil).AddRtAttr(unix.IFLA_INET_CONF, nil)
	for id, value := range values {
		conf.AddRtAttr(id, binary.NativeEndian.AppendUint32(nil, uint32(value)))
	}
	req.AddData(families)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}
