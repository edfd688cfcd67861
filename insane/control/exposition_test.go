package control

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// reference gives what an exposition has to the Prometheus client library.
type reference struct {
	t *testing.T
	*exposition
}

func (r reference) desc(name string) *prometheus.Desc {
	m := metrics[name]
	return prometheus.NewDesc("insane_"+name, m.help, append([]string{"device"}, m.labels...), nil)
}

func (r reference) Describe(ch chan<- *prometheus.Desc) {
	for name := range metrics {
		ch <- r.desc(name)
	}
}

func (r reference) Collect(ch chan<- prometheus.Metric) {
	for name, all := range r.shown {
		for _, s := range all {
			if metrics[name].kind == summary {
				ch <- r.summary(name, s)
				continue
			}
			kind := map[string]prometheus.ValueType{counter: prometheus.CounterValue, gauge: prometheus.GaugeValue}[metrics[name].kind]
			ch <- prometheus.MustNewConstMetric(r.desc(name), kind, s.samples[0].value, s.values...)
		}
	}
}

func (r reference) summary(name string, s series) prometheus.Metric {
	var sum float64
	var count uint64
	quantiles := make(map[float64]float64)
	for _, one := range s.samples {
		switch one.suffix {
		case "_sum":
			sum = one.value
		case "_count":
			count = uint64(one.value)
		default:
			q, err := strconv.ParseFloat(one.quantile, 64)
			if err != nil {
				r.t.Errorf("%s: %v", name, err)
			}
			quantiles[q] = one.value
		}
	}
	return prometheus.MustNewConstSummary(r.desc(name), count, sum, quantiles, s.values...)
}

// answer is the answer of the client library.
func (r reference) answer() *httptest.ResponseRecorder {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, api.PathMetrics, nil))
	return w
}

// odd is a device with values that are hard to write, and with each metric that there is.
func odd() *fake {
	d := newFake()
	d.info.Seed = math.MaxUint64
	d.info.Slave, d.info.TX.Policy = "e\\x\"\n\té\u2028", "percent\u00a050 "
	stages := map[string]api.Count{"percent": {Packets: 1<<60 + 1, Bytes: 3}, "every": {Packets: 123456789, Bytes: 1e17}, "a": {Packets: 1e6, Bytes: 999999}}
	d.info.TX.Stats.Stages, d.info.RX.Stats.Marked = stages, stages
	d.info.TX.Late = api.Late{Packets: 1<<53 - 1, Sum: 123456789012, P50: 1, P99: 1000, Worst: 123456}
	d.info.TX.Did.Delay.Mean, d.info.RX.Did.Rate = 20000001, 1e21/10000
	d.info.Warnings = []api.Warning{{Kind: api.WarningKinds()[1]}}
	d.rules[0].RX = &api.RuleDirection{}
	return d
}

// The text is the one that the Prometheus client library makes, byte for byte, and says the same
// content type. Nothing is in it that Prometheus' own check of metrics finds wrong, but that a rate
// is in bits, as all rates of a device are.
func TestExpositionIsThatOfTheLibrary(t *testing.T) {
	for name, d := range map[string]*fake{"as in other tests": newFake(), "odd": odd(), "nothing": {}} {
		want := reference{t, collect(d)}.answer()
		got := ask(newServer(d, Options{}), nobody, http.MethodGet, api.PathMetrics, "")
		if diff := cmp.Diff(want.Body.String(), got.Body.String()); diff != "" || want.Code != http.StatusOK {
			t.Errorf("%s: status %d of the library; its text (-) and ours (+) differ:\n%s", name, want.Code, diff)
		}
		if a, b := got.Header().Get("Content-Type"), want.Header().Get("Content-Type"); a != b {
			t.Errorf("%s: content type %q, want %q", name, a, b)
		}
		problems, err := promlint.New(got.Body).Lint()
		problems = slices.DeleteFunc(problems, func(p promlint.Problem) bool { return p.Metric == "insane_relayed_bits" })
		if err != nil || len(problems) != 0 {
			t.Errorf("%s: %v, %v", name, problems, err)
		}
	}
}

// Each metric of the table is shown.
func TestEachMetricIsShown(t *testing.T) {
	shown := collect(odd()).shown
	for name := range metrics {
		if len(shown[name]) == 0 {
			t.Errorf("no device shows %s", name)
		}
	}
}

// Bytes that are no UTF-8 do not make the text one that nobody reads.
func TestExpositionIsUTF8(t *testing.T) {
	d := newFake()
	d.info.Slave = "e\xffth"
	if body := metricsOf(d); !strings.Contains(body, `slave="e`+"\uFFFD"+`th"`) {
		t.Errorf("no slave with a replaced byte in\n%s", body)
	}
}

// A metric that is not in the table, or has labels of another number, is refused.
func TestExpositionRefusesMistakes(t *testing.T) {
	for name, values := range map[string][]string{"what": nil, "carrier": {"eth0"}, "warning": nil} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s with labels %q was taken", name, values)
				}
			}()
			(&exposition{shown: make(map[string][]series)}).add(name, 1, values...)
		}()
	}
}
