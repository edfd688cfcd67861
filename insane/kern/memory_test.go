package kern

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// camel returns the name that a field of C has in Go.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i := range words[1:] {
		words[1+i] = strings.ToUpper(words[1+i][:1]) + words[1+i][1:]
	}
	return strings.Join(words, "")
}

// sameLayout compares a structure of C with one of Go, field by field. Fields without a
// name in Go are not compared.
func sameLayout(t *testing.T, c btf.Type, g reflect.Type) {
	t.Helper()
	size, err := btf.Sizeof(c)
	must(t, err)
	// A program may have stages that the C does not know, whose fields come last.
	if uintptr(size) != g.Size() && !(g == reflect.TypeFor[policy.Program]() && uintptr(size) < g.Size()) {
		t.Errorf("%v is %d bytes, %v %d", c, size, g, g.Size())
	}
	structure, ok := btf.As[*btf.Struct](c)
	if !ok {
		t.Fatalf("%v is no structure", c)
	}
	for _, member := range structure.Members {
		if member.Name == "unused" || member.Name == "alive" { // only the programs use it
			continue
		}
		field, ok := g.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, camel(member.Name)) })
		size, err := btf.Sizeof(member.Type)
		must(t, err)
		if !ok || field.Offset != uintptr(member.Offset.Bytes()) || field.Type.Size() != uintptr(size) {
			t.Errorf("%s of %v: %d bytes at %d; in Go %+v", member.Name, c, size, member.Offset.Bytes(), field)
		}
	}
}

// The kernel and this process use the same layout for the memory that they share, for
// either byte order.
func TestMemoryIsTheKernels(t *testing.T) {
	for file, load := range map[string]func() (*ebpf.CollectionSpec, error){"kern": loadKern, "decide": loadDecide} {
		spec, err := load()
		must(t, err)
		for name, g := range map[string]reflect.Type{
			"directions": reflect.TypeFor[sharedDirection](), "entries": reflect.TypeFor[sharedEntry](),
			"counts": reflect.TypeFor[sharedCount](), "drops": reflect.TypeFor[sharedAmount](), "inflights": reflect.TypeFor[sharedInflight](),
			"recalls":   reflect.TypeFor[sharedRecall](),
			"labels":    reflect.TypeFor[sharedLabel](),
			"tuples":    reflect.TypeFor[sharedTuple](),
			"questions": reflect.TypeFor[question](),
		} {
			m := spec.Maps[name]
			if m == nil && file == "kern" && name != "questions" {
				t.Errorf("%s: no map %s", file, name)
			}
			if m == nil {
				continue
			}
			sameLayout(t, m.Value, g)
			if g.Size() != uintptr(m.ValueSize) {
				t.Errorf("%s of %s: %d bytes, in Go %d", name, file, m.ValueSize, g.Size())
			}
		}
	}
}

// The same for nested structures, and for the number of elements.
func TestMemoryInside(t *testing.T) {
	spec, err := loadKern()
	must(t, err)
	member := func(of btf.Type, name string) btf.Type {
		structure, ok := btf.As[*btf.Struct](of)
		if !ok {
			t.Fatalf("%v is no structure", of)
		}
		for _, m := range structure.Members {
			if m.Name == name {
				return m.Type
			}
		}
		t.Fatalf("no %s in %v", name, of)
		return nil
	}
	direction, entry := spec.Maps[kernMapDirections], spec.Maps[kernMapEntries]
	sameLayout(t, member(entry.Value, "program"), reflect.TypeFor[policy.Program]())
	if size := unsafe.Sizeof(policy.Program{}); size < unsafe.Sizeof(sharedEntry{}.program) {
		t.Errorf("a program is %d bytes", size)
	}
	all, ok := btf.As[*btf.Array](member(direction.Value, "backlogs"))
	if !ok || all.Nelems != backlogs {
		t.Errorf("%v, want %d", all, backlogs)
	}
	sameLayout(t, all.Type, reflect.TypeFor[sharedBacklog]())
	if next, ok := btf.As[*btf.Array](member(direction.Value, "next")); !ok || next.Nelems != numberings {
		t.Errorf("%v, want %d", next, numberings)
	}
	for name, want := range map[string]uint32{
		kernMapDirections: directions, kernMapEntries: directions * entries, kernMapCounts: directions * entries, kernMapInflights: 1,
		kernMapDrops:  directions * entries * policy.StageNumbers,
		kernMapFacts:  directions * entries * memoFacts,
		kernMapTuples: directions * turns * maxTuples, kernMapWords: directions * maxWords, kernMapRuleTables: directions * turns * layers,
	} {
		if n := spec.Maps[name].MaxEntries; n != want {
			t.Errorf("%d %s, want %d", n, name, want)
		}
	}
}

// A table of claims is of the type that the programs search.
func TestTableIsThePrograms(t *testing.T) {
	needRoot(t)
	spec, err := loadKern()
	must(t, err)
	table, err := newClaims()
	must(t, err)
	defer table.Close()
	want := spec.Maps[kernMapClaims].InnerMap
	if table.Type() != want.Type || table.KeySize() != want.KeySize || table.ValueSize() != want.ValueSize ||
		table.Flags() != want.Flags || table.MaxEntries() != want.MaxEntries {
		t.Errorf("%v with flags %#x, want %v", table, table.Flags(), want)
	}
	rules, err := newRuleTable(1)
	must(t, err)
	defer rules.Close()
	want = spec.Maps[kernMapRuleTables].InnerMap
	if rules.Type() != want.Type || rules.KeySize() != want.KeySize || rules.ValueSize() != want.ValueSize || rules.Flags() != want.Flags {
		t.Errorf("%v with flags %#x, want %v", rules, rules.Flags(), want)
	}
	if unsafe.Sizeof(candidate{}) != candidateSize || match.MaxRules+match.MostAdded > maxWords {
		t.Errorf("a key is %d bytes, a value %d; %d rules", digestSize, unsafe.Sizeof(candidate{}), match.MaxRules)
	}
}
