# What .ci/kernels and .ci/bench-netem share, to be sourced: Debian's kernels, and
# a guest of QEMU that runs one on top of this machine's root file system. Wants
# root and a Debian-like amd64 machine. Installs QEMU, but never a kernel.
#
# The script that sources it is the guest's first process as well, which it is told
# by the arguments "guest DIRECTORY"; it sets
#   work    where initramfs and results are
#   limit   how many seconds a guest may take
# and, if the guest is to have network cards,
#   card    their model, a device of QEMU
#   cables  how many cables it has, each between two cards
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the one are the other's
set -Eeuo pipefail
shopt -s inherit_errexit
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin INSANE_ROOT=1

self=$(readlink -f "$0")
root=${self%/*/*}
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
  "$root/.ci/install" qemu-system-x86_64:qemu-system-x86 depmod:kmod xz:xz-utils "$keyring:debian-archive-keyring"
}

# --------------------------------------------------------------- the kernels

# debian runs apt-get or apt-cache with lists of its own: the machine's apt never
# learns of suites that nobody configured there.
debian() {
  "$1" -qq -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache" \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Sandbox::User=root "${@:2}"
}

# refresh reads the lists, at most once a day. Where that fails, older ones serve.
refresh() {
  mkdir -p "$cache"/apt/{lists,cache/archives}/partial
  [ -z "$(find "$cache/apt" -name fresh -mmin -1440 -newer "${BASH_SOURCE[0]}")" ] || return 0
  printf "deb [signed-by=$keyring] $mirror %s main\n" "${suites[@]}" >"$cache/apt/sources.list"
  if debian apt-get update; then touch "$cache/apt/fresh"; fi
}

# newest prints the newest release of a series, such as 6.1.0-50-amd64, or of all.
newest() {
  debian apt-cache pkgnames "linux-image-${1:+$1.}" | sed -n 's/^linux-image-\([0-9].*-amd64\)$/\1/p' |
    { grep -E '^[0-9]+\.[0-9]+\.' || true; } | { grep -vE -- '-(cloud|rt)-' || true; } | sort -V | tail -n 1
}

# provide makes the newest kernel of a series ready and sets kernel to its
# directory (vmlinuz, lib/modules, busybox) and release to its name. A series
# that Debian has given up stays what the cache has.
provide() {
  exec 8>"$cache/lock"
  flock 8 # two may not fetch at once
  refresh
  release=$(newest "${1#newest}")
  kernel=$cache/$(grep -oE '^[0-9]+\.[0-9]+' <<<"$release" || echo "$1")
  if [ -n "$release" ] && [ "$(cat "$kernel/release" "$kernel/without" 2>&1)" != "$release"$'\n'"${without[*]}" ]; then
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
# what is left out are drivers for hardware that it has not.
without=(./usr/share '*/kernel/sound' '*/kernel/drivers/[!nv]*' '*/drivers/net/[uw]*' '*/net/ethernet/[!i]*' '*/ethernet/intel/[!e]*')
fetch() {
  local packages deb
  rm -rf "$cache/new"
  mkdir "$cache/new"
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
  echo "${without[*]}" >without
  echo "$1" >release
}

# ----------------------------------------------------------------- the guest

# pack makes the initramfs, all there is until the root file system is mounted.
# When a step fails, the first process ends, the kernel panics and QEMU exits.
pack() {
  local ram=$work/initramfs modules=(virtio_pci 9pnet_virtio 9p overlay)
  rm -rf "$ram"
  mkdir -p "$ram"/{bin,dev,proc,lower,upper,new}
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
	\$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /lower
	\$b mount -t tmpfs upper /upper
	\$b mkdir /upper/upper /upper/work
	\$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work root /new
	\$b mount -o move /dev /new/dev
	\$b umount /proc
	exec \$b switch_root /new $(printf '%q ' "$self" guest "$kernel")
	INIT
  chmod +x "$ram/init"
  cd "$ram"
  find . | ./bin/busybox cpio -o -H newc >"$ram.cpio" 2>/dev/null
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

# start starts the guest in the background and sets qemu. Emulated processors are
# better off without those features, have the host's clock, which can be relied
# on, and nobody to be protected from. They take turns: side by side, one may
# still run what another has just patched (arch/x86/kernel/alternative.c), and the
# kernel dies of that, by "Oops: int3", or stands still. With network cards their
# clock counts instructions instead, so that on a busy host neither drivers nor
# tests run out of time.
start() {
  local processor="-accel kvm -cpu host" share=security_model=none,multidevs=remap
  local parameters="console=ttyS0 loglevel=5 panic=-1 oops=panic reboot=t nowatchdog"
  if ! [ -w /dev/kvm ] || ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
    processor="-accel tcg,thread=single -cpu max,-erms,-fsrm,-la57,-smap,-smep,-umip,-pku"
    parameters+=" tsc=reliable no_timer_check rcupdate.rcu_cpu_stall_suppress=1 cryptomgr.notests"
    parameters+=" mitigations=off init_on_alloc=0 nokaslr random.trust_cpu=on"
    [ -z "${card:-}" ] || processor+=" -icount shift=1"
  fi
  local device cable='' devices=()
  if [ -n "${card:-}" ]; then
    cable="unshare -n $self cable $cables"
    for ((device = 0; device < 2 * cables; device++)); do
      devices+=(-netdev "tap,id=card$device,ifname=card$device,script=no,downscript=no"
        -device "$card,netdev=card$device,romfile=,mac=$(printf 52:54:00:00:00:%02x "$device")")
    done
  fi
  # The guest dies with this script, however that ends.
  # shellcheck disable=SC2086 # several arguments
  setpriv --pdeathsig KILL timeout -k 5 "$limit" $cable setpriv --pdeathsig KILL \
    qemu-system-x86_64 -no-user-config -nodefaults -machine q35 $processor -smp 2 -m 2048 \
    -display none -no-reboot -serial "file:$results/console" \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs.cpio" -append "$parameters" \
    -fsdev "local,id=root,path=/,readonly=on,$share" -device virtio-9p-pci,fsdev=root,mount_tag=root \
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
  [ -z "${card:-}" ] || patience=240 # its clock is slow
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
