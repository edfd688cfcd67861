# make help lists what there is.

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec
PREFIX      ?= /usr/local

# Every test of a promise that needs root fails instead of being skipped.
export INSANE_ROOT := 1

.PHONY: help build unit test check demo bench bench-netem kernels drivers arm64 soak fuzz lint generate tools install dist dist-test image image-test clean

build: ## the commands, in bin (the default)
	go build -o bin/ ./cmd/insane ./cmd/insanely ./cmd/insane-cni

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# Seconds with a warm cache, whoever runs it. What needs root skips itself, and the
# packages in which all tests do are left out.
unit: ## the tests that need neither root nor the kernel
	INSANE_ROOT=0 go test $$(go list ./... | grep -v -e '/cmd/insane/' -e '/examples/gotest')

demo: build ## see it work (root)
	bin/insane lab

# Programs nobody here wrote, through which the tests look at the device, and
# the C compiler that the race detector wants.
tools: ## install what the tests need (root)
	@.ci/install ping:iputils-ping ip:iproute2 iperf3:iperf3 tcpdump:tcpdump curl:curl python3:python3 unshare:util-linux \
	  iptables:iptables nft:nftables podman:podman runc:runc /usr/lib/podman/netavark:netavark \
	  arping:arping sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client \
	  gcc:gcc /usr/include/stdlib.h:libc6-dev mandoc:mandoc

test: tools ## all tests, and lint; installs what is missing (root)
	@.ci/test

check: ## what must pass before a change lands, on a clean checkout (root)
	.ci/run

lint: ## vet, staticcheck, go.mod, gofmt
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff || { sleep 5; go mod tidy -diff; } # it may have to download modules
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt:" $$unformatted; exit 1; fi

# The eBPF programs are compiled by one version of the compiler, as another one's
# objects differ. They are committed, so only a change of the C needs it.
CLANG ?= clang-14

generate: ## compile the eBPF programs, and write the manual pages (root, if the compiler is missing)
	@.ci/install $(CLANG):$(CLANG) llvm-strip-14:llvm-14 \
	  /usr/include/bpf/bpf_helpers.h:libbpf-dev /usr/include/linux/bpf.h:linux-libc-dev
	BPF2GO_CC=$(CLANG) BPF2GO_STRIP=llvm-strip-14 BPF2GO_CFLAGS="-I/usr/include/$$(uname -m)-linux-gnu" go generate ./insane/kern
	go generate ./cmd/manual

# PACKAGE:TARGET. Minimising what was found interesting is bounded: otherwise
# it takes most of the time. The tag leaves out the tests of these packages that ask
# the kernel: all that they import would be compiled once more, for fuzzing.
FUZZTIME    ?= 30s
FUZZTARGETS := ./policy:FuzzParse ./policy:FuzzRules ./policy/match:FuzzMatch ./policy/unit:FuzzNumber ./policy/unit:FuzzPercent ./policy/unit:FuzzMean ./policy/unit:FuzzSpan ./policy/unit:FuzzRate ./policy/unit:FuzzSize ./insane/control:FuzzDecode ./insane/control:FuzzDecodeRules ./insane/frame:FuzzInspect ./insane/frame:FuzzSplit ./insane/frame:FuzzReceive ./insane/frame:FuzzFlip ./insane/frame:FuzzKey ./insane/line:FuzzLine ./insane/lease:FuzzLease ./insane/ledger:FuzzStream ./insane/ledger/pcapng:FuzzRead ./insane/replay:FuzzParse ./insanely/verify/packet:FuzzFrame

fuzz: ## search for inputs that break a parser, FUZZTIME for each
	@for t in $(FUZZTARGETS); do \
	  echo "fuzz $$t for $(FUZZTIME)"; \
	  go test -vet off -tags fuzz $${t%%:*} -run '^$$' -fuzz "^$${t##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x; \
	done

# Each round measures all ways one after the other, and every other round in
# reverse, so that drift of the machine cancels out. The books are checked in
# the same runs. What a device costs a bystander is so little that it takes more
# and shorter rounds to see.
ROUNDS     ?= 20
BENCHTIME  ?= 0.5s
BYSTANDERS ?= 40
LATENESSES ?= 6

# $(call rounds,NUMBER,BENCHMARKS,BENCHTIME,FILE)
rounds = rm -f $(4); cd cmd/insane/bench; for round in $$(seq $(1)); do \
	  echo "round $$round of $(1)"; \
	  INSANE_BENCH_REVERSE=$$([ $$((round % 2)) = 0 ] && echo 1 || true) ../../../bin/bench.test \
	    -test.run '^$$' -test.bench '$(2)' -test.benchtime $(3) >>../../../$(4); \
	done

bench: tools ## speed beside the bare cable and a naive relay (root)
	go test -c -o bin/bench.test ./cmd/insane/bench
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./policy ./insane/frame ./insane/line ./insane/kern | tee bin/bench-parts.txt
	@$(call rounds,$(ROUNDS),^Benchmark(TCP|RoundTrip|Packets)$$,$(BENCHTIME),bin/bench.txt)
	@$(call rounds,$(BYSTANDERS),^BenchmarkBystander,0.3s,bin/bench-bystander.txt)
	@cd cmd/insane/bench && ../../../bin/bench.test -test.run '^$$' -test.bench 'Footprint|HeldMemory' -test.benchtime 1x
	@$(call rounds,$(LATENESSES),^BenchmarkHeldLate$$,5s,bin/bench-late.txt)
	go tool benchstat -col /path@'(direct relay kernel-tx kernel naive)' bin/bench.txt
	go tool benchstat -col /device@'(without with)' bin/bench-bystander.txt
	go tool benchstat bin/bench-late.txt

# Its speed beside that of tc netem, and how many packets either loses in a row, under
# a kernel that has netem. NETEM_ROUNDS and NETEM_KERNEL: see the head of the script.
bench-netem: tools ## speed beside tc netem in Linux 6.12, in QEMU (root)
	.ci/bench-netem

soak: tools ## the tests as often as figures of reliability want: hours (root)
	INSANE_KILLS=3000 INSANE_SOAK=1 go test -race -p 1 -timeout 12h -v ./cmd/insane/...
	INSANE_CHANGES=50000 go test -p 1 -count 1 -timeout 1h -v -run 'TestChangesAreWhole|TestManyRoutes|TestManyRules' ./cmd/insane/...
	@# The race detector would falsify times, and takes too long for so many packets.
	INSANE_SOAK=1 go test -p 1 -parallel 1 -count 1 -timeout 1h -v -run 'Spread|EachSecond|ManyChanges' ./cmd/insane/hold
	INSANE_SOAK=1 go test -p 1 -parallel 1 -count 1 -timeout 1h -v -run EndsOnTime ./cmd/insane/lease
	INSANE_PACKETS=10000000 go test -p 1 -parallel 1 -count 1 -timeout 3h -v -run 'HeldIsWhole|KeepsOrder|Extent' ./cmd/insane/hold ./insane/line
	INSANE_PACKETS=1000000 go test -p 1 -parallel 1 -count 1 -timeout 6h -v -run 'Whole' ./cmd/insane/record
	INSANE_SEEDS=300 go test -count 1 -timeout 3h -v -run FindsErrors ./insanely/verify
	$(MAKE) fuzz FUZZTIME=1h

# What depends on the kernel, under others than this machine's. KERNELS="6.1 newest",
# KERNELS_PACKAGES and KERNELS_RUN narrow it: see the head of the script.
kernels: tools ## the tests under Linux 6.1, 6.12, 6.18 and the newest, in QEMU (root)
	.ci/kernels

# DRIVERS="e1000e vmxnet3" narrows it: see the head of the script.
drivers: tools ## the tests of the wire over emulated network cards, in QEMU (root)
	.ci/drivers

# STEPS="unit lab" and KERNELS="6.12-16k" narrow it: see the head of the script.
arm64: ## the unit tests, those that face the kernel and the tour on arm64, in QEMU (root)
	.ci/arm64

# Shells look in these folders for completions of what is below the same PREFIX.
SHARE = $(DESTDIR)$(PREFIX)/share

install: build ## the commands, their manual pages and completions, below PREFIX (/usr/local)
	install -D -t $(DESTDIR)$(PREFIX)/bin bin/insane bin/insanely
	for page in cmd/manual/*.[0-9]; do install -D -m 644 -t $(SHARE)/man/man$${page##*.} $$page; done
	install -D -m 644 insanely/cli/completion/insanely.bash $(SHARE)/bash-completion/completions/insanely
	install -D -m 644 insanely/cli/completion/insanely.zsh $(SHARE)/zsh/site-functions/_insanely
	install -D -m 644 insanely/cli/completion/insanely.fish $(SHARE)/fish/vendor_completions.d/insanely.fish

# VERSION, COMMIT and SOURCE_DATE_EPOCH: see the head of the script.
dist: ## the packages and archives of a release, in dist
	.dist/build

# SUITES="bookworm" and STEPS narrow it: see the head of the script.
dist-test: ## install, run, upgrade and purge what make dist has made, in roots of its own (root)
	.dist/test

image: ## the container image, dist/insane-image.tar
	.image/build

image-test: image tools ## the image and the CNI plugin with podman, runc and other plugins (root)
	.image/test

clean: ## remove bin and dist
	rm -rf bin dist
