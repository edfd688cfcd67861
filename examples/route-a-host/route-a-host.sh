#!/bin/sh
# Route one host through insane and watch it lose packets, both ways.
#
# borea is a host with one network card, eth0. One of her neighbours, morgana,
# is re-routed through insane; everything else goes on as before. Two tcpdumps
# show the difference: the one on insane sees every request before any is
# dropped and what is left of the answers, the one on eth0 what is really sent
# and what really arrives.
#
# Run it as root, with insane, insanely, ping and tcpdump in the PATH or the
# commands in bin/ of this project. It builds both hosts out of network
# namespaces; when it ends, however it ends, they are gone.
set -eu

PINGS=200

if [ "${1-}" != inside ]; then
    # A process namespace of its own: if this script dies, all in it dies.
    setpriv --pdeathsig KILL unshare --net --pid --fork --kill-child --mount-proc "$0" inside &
    trap 'kill -9 $!; exit 143' HUP INT TERM
    wait $!
    exit
fi

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../bin
export INSANE_SOCKET=@route-a-host # lives in this network namespace, not in a file
mount -t tmpfs tmpfs /mnt          # private to this script
cd /mnt

# say shows a command as a person would type it, and runs it.
exec 3>&1
say() {
    echo "borea# $*" >&3
    "$@"
}

# watch starts a tcpdump that notes pings, and returns when it listens.
watch() {
    tcpdump -lnq -s 256 --immediate-mode -i "$1" icmp >"$1.packets" 2>"$1.log" &
    echo $! >"$1.pid"
    until grep -qs listening "$1.log"; do sleep 0.05; done
    echo "borea# tcpdump -i $1 &"
}

# unwatch ends a tcpdump.
unwatch() {
    kill -INT "$(cat "$1.pid")"
    wait "$(cat "$1.pid")" || true
}

# seen tells how many packets of a kind a tcpdump noted.
seen() {
    grep -c "echo $2" "$1.packets" || true
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

echo "borea# insane --seed 2000 &"
insane --seed 2000 2>insane.log &
insane=$!
insanely --wait 5s >/dev/null
say ip link set insane up
say insanely eth0 both percent 80 >/dev/null
say ip route add 10.9.0.2 dev insane src 10.9.0.1
until insanely | grep -q 'from 10\.9\.0\.2$'; do sleep 0.05; done # insane has seen the route
until ping -q -c 1 -W 1 10.9.0.2 >/dev/null; do :; done # and the two have found each other
echo
watch insane
watch eth0
echo "borea# ping -c $PINGS 10.9.0.2"
ping -q -c $PINGS -i 0.01 -W 1 10.9.0.2 | tee ping.log | grep -E 'transmitted' || true
sleep 0.5 # the last ones on their way to tcpdump
unwatch insane
unwatch eth0
requests=$(seen insane request)
sent=$(seen eth0 request)
arrived=$(seen eth0 reply)
answers=$(seen insane reply)
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' ping.log)
echo
say insanely
cat <<END

            requests      answers
ping        sent $PINGS      received $received
              │              ▲
insane      saw $requests       relayed $answers
              │ 80 %         │ 80 %
eth0        sent $sent      got $arrived
END
kill $insane
wait $insane

# All of it reached insane, some of it eth0; what eth0 sent was answered, and some
# of that came through insane.
[ "$requests" -eq $PINGS ] && [ "$sent" -lt $PINGS ] && [ "$arrived" -eq "$sent" ] &&
    [ "$answers" -lt "$arrived" ] && [ "$answers" -gt 0 ] && [ "$received" -eq "$answers" ]
