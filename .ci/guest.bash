# What .ci/kernels and .ci/bench-netem share, to be sourced: Debian's kernels, and
# a guest of QEMU that runs one on top of this machine's root file system. Wants
# root and a Debian-like amd64 machine. Installs QEMU, but never a kernel. On arm64,
# the guest has Debian's programs for it in place of this machine's.
#
# The script that sources it is the guest's first process as well, which it is told
# by the arguments "guest DIRECTORY"; it sets
#   work    where initramfs and results are
#   limit   how many seconds a guest may take
# and, if the guest is to be none of amd64,
#   arch    its architecture, as Debian and Go call it: arm64
# and, if an emulated guest is to have the time that it needs,
#   clock   what its clock counts: instructions
# and, if the guest is to have network cards,
#   card    their model, a device of QEMU
#   cables  how many cables it has, each between two cards; clock as well
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the one are the other's
set -Eeuo pipefail
shopt -s inherit_errexit
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin INSANE_ROOT=1

self=$(readlink -f "$0")
root=${self%/*/*}
arch=amd64
cache=${INSANE_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/insane-kernels}
mirror=http://deb.debian.org/debian
suites=(bookworm trixie trixie-backports)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The kernel itself went wrong. The last one means that something refers to a
# network namespace for ever (net/core/dev.c, netdev_wait_allrefs_any).
trouble='BUG:|WARNING:|Oops|general protection|Kernel panic|waiting for .* to become free'

trap 'echo "${self##*/}: line $LINENO: exit status $?" >&2' ERR
trap 'exit 130' INT
die() { echo "${self##*/}: $*" >&2; exit 1; }

# claim readies the directories, which one run at a time may use, and the tools.
claim() {
  [ "$(id -u) $(dpkg --print-architecture)" = "0 amd64" ] || die "wants root on a Debian-like amd64 machine"
  mkdir -p "$work" "$cache"
  exec 9>"$work/lock"
  flock -n 9 || die "another run uses $work"
  "$root/.ci/install" depmod:kmod xz:xz-utils "$keyring:debian-archive-keyring"
  case $arch in
    amd64) "$root/.ci/install" qemu-system-x86_64:qemu-system-x86 ;;
    arm64) "$root/.ci/install" qemu-system-aarch64:qemu-system-arm qemu-aarch64:qemu-user ;;
  esac
}

# emulate runs a program for the guest's processor on this machine.
emulate() {
  case $arch in
    amd64) "$@" ;;
    arm64) qemu-aarch64 "$@" ;;
  esac
}

# --------------------------------------------------------------- the kernels

# debian runs apt-get or apt-cache with lists of its own: the machine's apt never
# learns of suites and architectures that nobody configured there.
debian() {
  "$1" -qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
    -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$cache/apt/lists" -o Dir::State::status="$cache/apt/status" -o Dir::Cache="$cache/apt/cache" \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Sandbox::User=root "${@:2}"
}

# refresh reads the lists, at most once a day. Where that fails, older ones serve.
refresh() {
  mkdir -p "$cache"/apt/{lists,cache/archives}/partial
  [ -z "$(find "$cache/apt" -name fresh -mmin -1440 -newer "${BASH_SOURCE[0]}")" ] || return 0
  printf "deb [arch=$arch signed-by=$keyring] $mirror %s main\n" "${suites[@]}" >"$cache/apt/sources.list"
  : >"$cache/apt/status" # nothing is installed
  if debian apt-get update; then touch "$cache/apt/fresh"; fi
}

# newest prints the newest release of a series, such as 6.1.0-50-amd64, or of all. The
# second argument is what follows the architecture in its name: -16k, the size of a page.
newest() {
  debian apt-cache pkgnames "linux-image-${1:+$1.}" | sed -n "s/^linux-image-\([0-9].*-$arch$2\)\$/\1/p" |
    { grep -E '^[0-9]+\.[0-9]+\.' || true; } | { grep -vE -- '-(cloud|rt)-' || true; } | sort -V | tail -n 1
}

# provide makes the newest kernel of a series, such as 6.12 or 6.12-16k, ready and sets
# kernel to its directory (vmlinuz, lib/modules, busybox, programs) and release to its
# name. A series that Debian has given up stays what the cache has.
provide() {
  local series=${1%-16k}
  local pages=${1#"$series"}
  exec 8>"$cache/lock"
  flock 8 # two may not fetch at once
  refresh
  release=$(newest "${series#newest}" "$pages")
  kernel=$cache/$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release" || echo "$series")$pages
  if [ -n "$release" ] && [ "$(cat "$kernel/release" "$kernel/recipe" 2>&1)" != "$release"$'\n'"$recipe" ]; then
    fetch "$release"
    rm -rf "$kernel"
    mv "$cache/new" "$kernel"
  fi
  [ -e "$kernel/release" ] || die "FAIL $1: no such kernel in ${suites[*]} of $mirror"
  release=$(cat "$kernel/release")
  exec 8>&-
}

# fetch downloads a kernel and unpacks it into new. Since 6.19 one is spread over
# several packages. Modules are kept unpacked, for the guest is slow; most of
# what is left out are drivers for hardware that it has not. The programs, with their
# libraries, are for a guest that cannot run this machine's.
without=(./usr/share '*/kernel/sound' '*/kernel/drivers/[!nv]*' '*/drivers/net/[uw]*' '*/net/ethernet/[!i]*' '*/ethernet/intel/[!e]*')
programs=(bash dash coreutils grep sed util-linux mount kmod iproute2 nftables iputils-ping iperf3 tcpdump curl)
recipe="${without[*]} ${programs[*]}"
fetch() {
  local packages deb
  rm -rf "$cache/new"
  mkdir -p "$cache/new/programs"
  cd "$cache/new"
  packages=$(debian apt-cache pkgnames linux- | grep -xE "linux-(image|base|binary|modules)-${1//+/\\+}")
  # shellcheck disable=SC2086 # one word per package
  debian apt-get download busybox-static $packages
  for deb in *.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --transform 's,^\./usr/,./,' "${without[@]/#/--exclude=}"
  done
  find lib -name '*.ko.xz' -print0 | xargs -0r xz -d
  mv bin/busybox .
  find . -name 'vmlinuz*' -exec mv {} vmlinuz ';'
  depmod -b . "$1"
  rm -rf ./*.deb bin boot
  [ "$arch" = amd64 ] || (replace)
  echo "$recipe" >recipe
  echo "$1" >release
}

# replace fills the folder programs. Its tree has the form of a machine on which /bin is
# a link to /usr/bin, as it is going to lie on top of that.
replace() {
  local deb
  cd programs
  mkdir partial
  debian apt-get install -y --no-install-recommends --download-only -o Dir::Cache::archives="$PWD" "${programs[@]}"
  for deb in *.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --transform 's,^\./\(bin\|sbin\|lib\)/,./usr/\1/,' --exclude=./usr/share --exclude=./etc
  done
  rm -rf ./*.deb partial lock
}

# ----------------------------------------------------------------- the guest

# pack makes the initramfs, all there is until the root file system is mounted.
# When a step fails, the first process ends, the kernel panics and QEMU exits.
pack() {
  local ram=$work/initramfs modules=(virtio_pci 9pnet_virtio 9p overlay)
  rm -rf "$ram"
  mkdir -p "$ram"/{bin,dev,proc,root,programs,upper,new}
  cp "$kernel/busybox" "$ram/bin"
  cd "$kernel"
  { modprobe -d . -S "$release" -a --show-depends "${modules[@]}" | sed -n 's,^insmod .*\(lib/modules/[^ ]*\).*,\1,p'
    printf '%s\n' lib/modules/*/modules.{dep,alias,softdep,symbols,builtin}; } |
    sort -u | xargs cp --parents -t "$ram"
  cat >"$ram/init" <<-INIT
	#!/bin/busybox sh
	set -e
	b=/bin/busybox
	\$b mount -t proc proc /proc
	\$b mount -t devtmpfs dev /dev
	exec </dev/console >/dev/console 2>&1
	\$b modprobe -a ${modules[*]}
	for tag in root programs; do
	  \$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 \$tag /\$tag
	done
	\$b mount -t tmpfs upper /upper
	\$b mkdir /upper/upper /upper/work
	\$b mount -t overlay -o lowerdir=/programs:/root,upperdir=/upper/upper,workdir=/upper/work root /new
	\$b mount -o move /dev /new/dev
	\$b umount /proc
	exec \$b switch_root /new $(printf '%q ' "$self" guest "$kernel")
	INIT
  chmod +x "$ram/init"
  cd "$ram"
  find . | emulate ./bin/busybox cpio -o -H newc >"$ram.cpio" 2>/dev/null
}

# enter is what the first process on the guest's root file system does first. It may
# write anywhere, and nothing of it reaches the host but what is in /run/results.
# A file called status there says that it has begun.
enter() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mkdir -p /dev/pts /lib/modules
  mount -t devpts devpts /dev/pts
  mount -t tmpfs run /run
  mkdir /run/results
  mount -t 9p -o trans=virtio,version=9p2000.L,cache=none results /run/results
  mount --bind "$1/lib/modules" /lib/modules
  modprobe tun # makes its node; the other modules load on demand
  ip link set lo up
  ulimit -n 524288 # what systemd gives
}

# plug loads the drivers of the network cards, if there are any, and tells the tests their
# names (insane/lab/labtest): the first two are joined by a cable, and so on.
plug() {
  sort -u /sys/bus/pci/devices/*/modalias | xargs modprobe -qa || true # what is no card may have none
  INSANE_CARDS=$(find /sys/class/net -name 'eth*' -printf '%f\n' | sort -V | paste -sd ,)
  export INSANE_CARDS
}

# leave ends the guest.
leave() {
  echo b >/proc/sysrq-trigger # by -no-reboot, this ends QEMU
  sleep 60
}

# machine sets emulator to the command that makes the guest's machine, and parameters to
# what its kernel is told. Emulated processors are better off without those features, have
# the host's clock, which can be relied on, and nobody to be protected from. Those of amd64
# take turns: side by side, one may still run what another has just patched
# (arch/x86/kernel/alternative.c), and the kernel dies of that, by "Oops: int3", or stands
# still. Where the clock counts instructions, neither drivers nor tests run out of time on a
# busy host.
machine() {
  parameters="loglevel=5 panic=-1 oops=panic nowatchdog"
  local emulated=" rcupdate.rcu_cpu_stall_suppress=1 cryptomgr.notests mitigations=off init_on_alloc=0 nokaslr random.trust_cpu=on"
  local turns=single count=
  if [ -n "${clock:-}" ]; then
    count=" -icount shift=1"
  elif [ "$arch" = arm64 ]; then
    turns=multi
  fi
  case $arch in
    arm64)
      emulator="qemu-system-aarch64 -machine virt,gic-version=3 -accel tcg,thread=$turns -cpu max,pauth-impdef=on,sve=off,sme=off$count"
      parameters+=" console=ttyAMA0$emulated"
      ;;
    amd64)
      parameters+=" console=ttyS0 reboot=t"
      if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
        emulator="qemu-system-x86_64 -machine q35 -accel kvm -cpu host"
      else
        emulator="qemu-system-x86_64 -machine q35 -accel tcg,thread=$turns -cpu max,-erms,-fsrm,-la57,-smap,-smep,-umip,-pku$count"
        parameters+=" tsc=reliable no_timer_check$emulated"
      fi
      ;;
  esac
}

# start starts the guest in the background and sets qemu.
start() {
  local emulator parameters share=security_model=none,multidevs=remap
  local device cable='' devices=()
  if [ -n "${card:-}" ]; then
    cable="unshare -n $self cable $cables"
    for ((device = 0; device < 2 * cables; device++)); do
      devices+=(-netdev "tap,id=card$device,ifname=card$device,script=no,downscript=no"
        -device "$card,netdev=card$device,romfile=,mac=$(printf 52:54:00:00:00:%02x "$device")")
    done
  fi
  machine
  # The guest dies with this script, however that ends.
  # shellcheck disable=SC2086 # several arguments
  setpriv --pdeathsig KILL timeout -k 5 "$limit" $cable setpriv --pdeathsig KILL \
    $emulator -no-user-config -nodefaults -smp 2 -m 2048 \
    -display none -no-reboot -serial "file:$results/console" \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs.cpio" -append "$parameters" \
    -fsdev "local,id=root,path=/,readonly=on,$share" -device virtio-9p-pci,fsdev=root,mount_tag=root \
    -fsdev "local,id=programs,path=$kernel/programs,readonly=on,$share" -device virtio-9p-pci,fsdev=programs,mount_tag=programs \
    -fsdev "local,id=results,path=$results,$share" -device virtio-9p-pci,fsdev=results,mount_tag=results \
    "${devices[@]}" </dev/null >"$results/qemu" 2>&1 &
  qemu=$!
}

# cable makes cables in a network namespace of its own, each of a bridge that sends on what
# either TAP has sent, and runs a command there. A TAP carries super-frames and open
# checksums, as the network of a virtual machine does; other cables of QEMU do not.
cable() {
  local n end setting
  echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
  for setting in /proc/sys/net/bridge/bridge-nf-call-*; do # br_netfilter drops what makes no sense
    [ ! -e "$setting" ] || echo 0 >"$setting"
  done
  for ((n = 0; n < $1; n++)); do
    ip link add "cable$n" type bridge mcast_snooping 0 group_fwd_mask 0xfff8
    ip link set "cable$n" up
    for end in "card$((2 * n))" "card$((2 * n + 1))"; do
      ip tuntap add "$end" mode tap vnet_hdr
      ip link set "$end" up master "cable$n" txqueuelen 10000
      ip link set "$end" type bridge_slave learning off
    done
  done
  exec "${@:2}"
}

# boot runs the guest, which leaves in $results what came of it. A guest in which
# nothing has begun after a while is started again: emulators have their days.
boot() {
  local patience=90 second
  [ -z "${clock:-}" ] || patience=240 # it is slow
  for _ in 1 2 3; do
    start
    for ((second = 0; second < patience; second++)); do
      sleep 1
      if [ -e "$results/status" ] || ! kill -0 "$qemu" 2>/dev/null; then
        wait "$qemu"
        return
      fi
    done
    kill "$qemu"
    wait "$qemu" || true
    echo "${self##*/}: $release has not started in $patience s" >&2
  done
  return 1
}

# prepare makes a guest of the newest kernel of a series ready for boot. It sets
# release to the kernel's name and results to the directory of what will come of it.
prepare() {
  provide "$1"
  results=$work/$release${card:+-$card}
  rm -rf "$results"
  mkdir "$results"
  (pack)
  SECONDS=0
}

# environment writes down what the guest is to know, to be sourced there: the
# caller's INSANE_..., and variables by name.
environment() {
  declare -px PATH HOME "${!INSANE_@}" >"$work/environment"
  [ $# = 0 ] || declare -p "$@" >>"$work/environment"
}
