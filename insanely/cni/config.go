package cni

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// Where a pod says what it wants: the annotations that the runtime passes on, and the arguments
// of whoever calls the plugin.
const (
	annotation   = "insane/policy"
	rxAnnotation = "insane/rx-policy"
	argument     = "INSANE_POLICY"
	rxArgument   = "INSANE_RX_POLICY"
)

// Values that a configuration may leave out.
const (
	usualDirectory = "/run/insane"
	usualMemory    = "64MB"
)

// config is what the list of plugins says.
type config struct {
	types.PluginConf
	Policy    *string  `json:"policy"`    // of each pod that does not ask for another; nil: none
	RXPolicy  *string  `json:"rxPolicy"`  // of what arrives
	Seed      string   `json:"seed"`      // of all pods; "": each has its own
	Memory    string   `json:"memory"`    // for the packets of a pod that wait
	Routes    []string `json:"routes"`    // what is routed through the device; nil: everything
	Required  bool     `json:"required"`  // a pod does not start without the device that it asks for
	Program   string   `json:"program"`   // path of insane; "": beside the plugin, or in PATH
	Directory string   `json:"directory"` // of control sockets and logs

	RuntimeConfig struct {
		Annotations map[string]string `json:"io.kubernetes.cri.pod-annotations"`
	} `json:"runtimeConfig"`

	args map[string]string // CNI_ARGS
}

// parse reads the configuration of an operation.
func parse(a *skel.CmdArgs) (c config, err error) {
	c = config{Memory: usualMemory, Directory: usualDirectory}
	if err := json.Unmarshal(a.StdinData, &c); err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return c, fmt.Errorf("read result of the plugin before: %w", err)
	}
	c.args = make(map[string]string)
	for pair := range strings.SplitSeq(a.Args, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			c.args[name] = value
		}
	}
	return c, nil
}

// previous returns what the plugin before this one has made.
func (c *config) previous() (*current.Result, error) {
	if c.PrevResult == nil {
		return nil, fmt.Errorf("there is no result of another plugin: insane-cni comes after the plugin that makes the interface")
	}
	result, err := current.NewResultFromResult(c.PrevResult)
	if err != nil {
		return nil, fmt.Errorf("read result of the plugin before: %w", err)
	}
	return result, nil
}

// policies is what somebody asks for a pod.
type policies struct{ tx, rx string }

// wanted returns the policies of a pod: those of its annotations, else those of the arguments, else
// those of the configuration. One of two directions alone means pass for the other one. ok is
// false if nobody asks, or if the one who asks says nothing ("").
func (c *config) wanted() (p policies, ok bool) {
	find := func(from map[string]string, name string) *string {
		if value, ok := from[name]; ok {
			return &value
		}
		return nil
	}
	for _, asked := range [][2]*string{
		{find(c.RuntimeConfig.Annotations, annotation), find(c.RuntimeConfig.Annotations, rxAnnotation)},
		{find(c.args, argument), find(c.args, rxArgument)},
		{c.Policy, c.RXPolicy},
	} {
		if asked[0] == nil && asked[1] == nil {
			continue
		}
		p = policies{text(asked[0]), text(asked[1])}
		if p == (policies{}) {
			return p, false
		}
		return policies{orPass(p.tx), orPass(p.rx)}, true
	}
	return p, false
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(*s)
}

func orPass(policy string) string {
	if policy == "" {
		return "pass"
	}
	return policy
}

// routes returns what is to be routed through the device: the default routes, and what the
// interface reaches without them.
func (c *config) routes(result *current.Result) []string {
	if c.Routes != nil {
		return c.Routes
	}
	seen := map[string]bool{"default": true}
	list := []string{"default"}
	appendPrefix := func(text string) {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Bits() == 0 || p.IsSingleIP() || seen[p.Masked().String()] {
			return
		}
		seen[p.Masked().String()] = true
		list = append(list, p.Masked().String())
	}
	for _, address := range result.IPs {
		appendPrefix(address.Address.String())
	}
	for _, route := range result.Routes {
		appendPrefix(route.Dst.String())
	}
	return list
}
