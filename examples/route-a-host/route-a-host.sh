#!/bin/sh
# Route one host through insane and watch it lose packets.
#
# borea is a host with one network card, eth0. One of her neighbours, morgana,
# is re-routed through insane; everything else goes on as before. Two tcpdumps
# show the difference: the one on insane sees every packet before any is
# dropped, the one on eth0 what is really sent.
#
# Run it as root, with insane, insanely, ping and tcpdump in the PATH or the
# commands in bin/ of this project. It builds both hosts out of network
# namespaces; when it ends, however it ends, they are gone.
set -eu

PINGS=200

if [ "${1-}" != inside ]; then
    # A process namespace of its own: if this script dies, all in it dies.
    exec unshare --net --pid --fork --kill-child --mount-proc "$0" inside
fi

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../bin
export INSANE_SOCKET=@route-a-host # lives in this network namespace, not in a file
mount -t tmpfs tmpfs /mnt          # private to this script
cd /mnt

# say shows a command as a person would type it, and runs it.
say() {
    echo "borea# $*"
    "$@"
}

# watch starts a tcpdump that notes echo requests, and returns when it listens.
watch() {
    tcpdump -lnq --immediate-mode -i "$1" 'icmp[icmptype] == icmp-echo' >"$1.packets" 2>"$1.log" &
    echo $! >"$1.pid"
    until grep -q listening "$1.log"; do sleep 0.05; done
    echo "borea# tcpdump -i $1 &"
}

# seen ends a tcpdump and tells how many packets it noted.
seen() {
    kill -INT "$(cat "$1.pid")"
    wait "$(cat "$1.pid")" || true
    grep -c "echo request" "$1.packets"
}

# Two hosts and a cable.
unshare --net sleep infinity &
morgana=$!
until [ "$(readlink /proc/$morgana/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set lo up
ip link add eth0 type veth peer name eth0 netns $morgana
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
nsenter -t $morgana -n ip addr add 10.9.0.2/24 dev eth0
nsenter -t $morgana -n ip link set eth0 up
# What is routed through insane comes back through eth0: a strict check of the
# return path would refuse it.
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter

echo "borea# insane --seed 2000 &"
insane --seed 2000 2>insane.log &
insane=$!
insanely --wait 5s >/dev/null
say ip link set insane up
say insanely eth0 percent 60 >/dev/null
say ip route add 10.9.0.2 dev insane src 10.9.0.1
echo
watch insane
watch eth0
echo "borea# ping -c $PINGS 10.9.0.2"
ping -q -c $PINGS -i 0.01 -W 1 10.9.0.2 | tee ping.log | grep -E 'transmitted' || true
sleep 0.5 # the last ones on their way to tcpdump
before=$(seen insane)
after=$(seen eth0)
echo
say insanely
echo
answered=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' ping.log)
echo "ping sent      $PINGS"
echo "insane saw     $before"
echo "eth0 sent      $after"
echo "ping received  $answered"
kill $insane
wait $insane

# All of it reached insane, some of it eth0, and what eth0 sent was answered.
[ "$before" -eq $PINGS ] && [ "$after" -lt $PINGS ] && [ "$after" -gt 0 ] && [ "$answered" -eq "$after" ]
