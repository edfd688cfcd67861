package kern

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
)

// raiseMemoryLimit raises the limit of locked memory, against which kernels before 5.11
// count maps. If it cannot be raised, the maps may still fit.
func raiseMemoryLimit() { _ = rlimit.RemoveMemlock() }

// compiled returns the embedded objects. They are read once; a caller must copy them
// before it changes them.
var compiled = sync.OnceValues(loadKern)

// load loads the programs and maps, unless an earlier program of this process has handed
// them over, and maps the shared memory.
func (o *Objects) load() (err error) {
	if !o.takeOver() {
		if err := o.loadAll(); err != nil {
			return err
		}
	}
	if err := o.identify(); err != nil {
		return err
	}
	if o.dummy, err = newClaims(); err != nil {
		return err
	}
	if o.steer, err = newSteering(); err != nil {
		return err
	}
	o.memory, err = newMemory(&o.bpf.kernMaps)
	return err
}

// loadAll loads all programs and maps in the thread of the caller, whose rights count.
func (o *Objects) loadAll() error {
	spec, err := forThisMachine()
	if err != nil {
		return err
	}
	if o.knows, err = knownStages(spec); err != nil {
		return err
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	defer collection.Close() // of what is not assigned
	for name, field := range fieldsOf(&o.bpf) {
		if program := collection.DetachProgram(name); program != nil {
			field.Set(reflect.ValueOf(program))
		} else if table := collection.DetachMap(name); table != nil {
			field.Set(reflect.ValueOf(table))
		}
	}
	return nil
}

// forThisMachine returns a copy of the embedded objects that fits the number of possible
// CPUs, and the size of filters that the kernel takes.
func forThisMachine() (*ebpf.CollectionSpec, error) {
	found, err := compiled()
	if err != nil {
		return nil, err
	}
	processors, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	spec := found.Copy()
	// These arrays have one part per possible CPU.
	for _, name := range []string{kernMapCounts, kernMapDrops, kernMapInflights, kernMapAnswers} {
		spec.Maps[name].MaxEntries *= uint32(processors)
	}
	for _, name := range []string{kernProgReceiveAuto, kernProgReceiveAll} {
		if smallFilters() {
			spec.Programs[name] = spec.Programs[name+ofSmall]
		}
		delete(spec.Programs, name+ofSmall)
	}
	return spec, nil
}

// loadSideBySide loads the maps, and then the programs: the largest ones first, and as many at
// once as there are processors. The kernel's verifier takes the most time, and works in the
// thread that loads a program. All threads of the process must have the same rights.
func loadSideBySide(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	tables := spec.Copy()
	tables.Programs = nil
	c, err := ebpf.NewCollection(tables)
	if err != nil {
		return nil, err
	}
	names := slices.SortedFunc(maps.Keys(spec.Programs), func(a, b string) int {
		return len(spec.Programs[b].Instructions) - len(spec.Programs[a].Instructions)
	})
	programs, errs := make([]*ebpf.Program, len(names)), make([]error, len(names))
	var group sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		turns <- struct{}{}
		group.Go(func() {
			programs[i], errs[i] = newProgram(spec.Programs[name].Copy(), c.Maps)
			<-turns
		})
	}
	group.Wait()
	c.Programs = make(map[string]*ebpf.Program)
	for i, name := range names {
		if c.Programs[name] = programs[i]; errs[i] != nil {
			err = errs[i]
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// newProgram loads a program, which may use the maps.
func newProgram(spec *ebpf.ProgramSpec, maps map[string]*ebpf.Map) (*ebpf.Program, error) {
	for name, m := range maps {
		err := spec.Instructions.AssociateMap(name, m)
		if err != nil && !errors.Is(err, asm.ErrUnreferencedSymbol) {
			return nil, fmt.Errorf("give map %s to program %s: %w", name, spec.Name, err)
		}
	}
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", spec.Name, err)
	}
	return program, nil
}
