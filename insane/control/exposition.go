package control

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// textFormat is the content type of an exposition.
const textFormat = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

// Types of metrics.
const (
	counter = "counter" // a sum that only grows
	gauge   = "gauge"   // what is now
	summary = "summary" // a distribution: quantiles, sum and number
)

// metric describes the series of one name.
type metric struct {
	kind   string   // counter, gauge or summary
	help   string   // one line without a backslash
	labels []string // names in alphabetical order, behind "device"
}

// series is what a metric shows for one value of its labels.
type series struct {
	values  []string // of the labels, that of "device" the first one
	samples []sample // one, or those of a summary
}

// sample is one number, and what its line has beside name and labels.
type sample struct {
	suffix   string // behind the name
	quantile string // the label of that name; "" for none
	value    float64
}

// exposition collects the state of a device and writes it in the text format of Prometheus:
// byte for byte as the Prometheus client library does, which would be a seventh of the program. A test
// compares both. One goroutine uses it.
type exposition struct {
	device string
	shown  map[string][]series // by the name of the metric, without "insane_"
}

// add adds a series of a counter or a gauge. The values are those of the labels of the metric,
// in their order. A name that is not in metrics, or another number of values, is a mistake of
// the caller, and panics.
func (e *exposition) add(name string, value float64, values ...string) {
	e.addSamples(name, values, sample{value: value})
}

// addSamples is add for the samples of any type.
func (e *exposition) addSamples(name string, values []string, samples ...sample) {
	m, known := metrics[name]
	if !known || len(values) != len(m.labels) {
		panic(fmt.Sprintf("metric %s with labels %q", name, values))
	}
	e.shown[name] = append(e.shown[name], series{values: append([]string{e.device}, values...), samples: samples})
}

// text returns all that was added, sorted by names and then by labels.
func (e *exposition) text() []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(e.shown)) {
		m := metrics[name]
		b = fmt.Appendf(b, "# HELP insane_%s %s\n# TYPE insane_%s %s\n", name, m.help, name, m.kind)
		all := e.shown[name]
		slices.SortFunc(all, func(x, y series) int { return slices.Compare(x.values, y.values) })
		for _, s := range all {
			for _, one := range s.samples {
				b = appendSample(b, name, m.labels, s.values, one)
			}
		}
	}
	return b
}

// appendSample appends a line.
func appendSample(b []byte, name string, labels, values []string, s sample) []byte {
	b = append(b, "insane_"...)
	b = append(b, name...)
	b = append(b, s.suffix...)
	b = appendLabel(append(b, '{'), "device", values[0])
	for i, label := range labels {
		b = appendLabel(append(b, ','), label, values[i+1])
	}
	if s.quantile != "" {
		b = appendLabel(append(b, ','), "quantile", s.quantile)
	}
	b = append(b, "} "...)
	b = strconv.AppendFloat(b, s.value, 'g', -1, 64)
	return append(b, '\n')
}

// escapes are for the values of labels. All other characters stand for themselves.
var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// appendLabel appends a label with its value, in which bytes that are no UTF-8 are replaced.
func appendLabel(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, `="`...)
	b = append(b, escapes.Replace(strings.ToValidUTF8(value, "\uFFFD"))...)
	return append(b, '"')
}
