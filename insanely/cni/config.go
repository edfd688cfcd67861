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
	Policy    string   `json:"policy"`    // of each pod that does not ask for another; "": none
	RXPolicy  string   `json:"rxPolicy"`  // of what arrives
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
type policies struct {
	TX string `json:"tx"`
	RX string `json:"rx"`
}

// wanted returns the policies of a pod: those of its annotations, else those that it has without
// them. ok is false if nobody asks, or if the one who asks says nothing ("").
func (c *config) wanted() (p policies, ok bool) {
	p, ok = asks(c.RuntimeConfig.Annotations, annotation, rxAnnotation)
	if !ok {
		p = c.otherwise()
	}
	return p.whole(), p != policies{}
}

// otherwise returns the policies of a pod without annotations: those of the arguments, else those
// of the configuration.
func (c *config) otherwise() policies {
	p, ok := asks(c.args, argument, rxArgument)
	if !ok {
		p = policies{c.Policy, c.RXPolicy}.trim()
	}
	return p
}

// asks returns the policies that annotations or arguments name. ok is false if they name none.
func asks(from map[string]string, tx, rx string) (p policies, ok bool) {
	t, okTX := from[tx]
	r, okRX := from[rx]
	return policies{t, r}.trim(), okTX || okRX
}

func (p policies) trim() policies {
	return policies{strings.TrimSpace(p.TX), strings.TrimSpace(p.RX)}
}

// whole returns policies of a device: a direction that is not named has pass.
func (p policies) whole() policies { return policies{orPass(p.TX), orPass(p.RX)} }

// key returns a text that only these policies have.
func (p policies) key() string { return lines(p) }

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
