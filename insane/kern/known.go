package kern

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/seed-39a139a1/insane/policy"
)

// known are the stages that the programs carry out, by direction.
type known [directions]policy.Stages

// knownStages reads from the object the stages that decide.h implements.
func knownStages(spec *ebpf.CollectionSpec) (stages known, err error) {
	v, ok := spec.Variables[kernVarKnows]
	if !ok {
		return known{}, errors.New("read the known stages: the object has no variable knows")
	}
	if err := v.Get(&stages[tx]); err != nil {
		return known{}, fmt.Errorf("read the known stages: %w", err)
	}
	if stages[rx] = stages[tx]; smallFilters() {
		stages[rx] &^= policy.RareLosses
	}
	return stages, nil
}

// ofSmall is what the names of those programs end with that replace a filter of the packet
// socket where the kernel limits its size. They do not know the rare stages.
const ofSmall = "_small"

// smallFilters reports whether the kernel limits the size of filters to less than they may
// have: before Linux 6.7 to 20 kB, since then to 128 kB.
var smallFilters = sync.OnceValue(func() bool {
	text, err := os.ReadFile("/proc/sys/net/core/optmem_max")
	if err != nil {
		return true
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err != nil || most < 64<<10
})
