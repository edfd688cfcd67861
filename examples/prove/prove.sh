#!/bin/sh
# Record what insane does to each packet, verify and explain it, and do it again.
#
# borea pings morgana and loses packets both ways. Each is recorded with the verdict on
# it, and explained; and an independent witness compares what was asked with what it saw.
# Then somebody sets another policy and another seed. The replay of the
# recording brings all of it back: the same pings are lost, although ping has another
# identifier, and a second recording says the same of each packet. And a download that
# failed once fails again.
#
# Run it as root, with insane, insanely, ping, ss, curl and python3 in the PATH, or the first
# two in bin/ of this project. It builds both hosts out of network namespaces; when it
# ends, however it ends, they are gone.
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
export INSANE_SOCKET=@prove # lives in this network namespace, not in a file
mount -t tmpfs tmpfs /mnt   # private to this script
cd /mnt

# say shows a command as a person would type it, and runs it.
exec 3>&1
say() {
    echo "borea# $*" >&3
    "$@"
}

# record begins a recording, and returns when each packet is recorded.
record() { # FILE
    echo "borea# insanely record -w $1 &"
    insanely record -w "$1" 2>"$1.log" &
    recorder=$!
    until [ -s "$1" ]; do sleep 0.05; done
}

# recorded ends a recording.
recorded() { # FILE
    kill -INT $recorder
    wait $recorder
    sed 's/^/  /' "$1.log"
}

# watch begins to verify, and returns when the witness sees each packet.
watch() {
    echo "borea# insanely verify --for 30s &"
    insanely verify --for 30s >verified &
    witness=$!
    until ss -0 -p | grep -q '"insanely"'; do sleep 0.05; done
}

# watched ends that early. It fails if something differs from what was asked.
watched() {
    kill -INT $witness
    verdict='nothing differs'
    wait $witness || verdict='something differs'
    sed 's/^/  /' verified
}

# pings sends so many, and prints how many were answered.
pings() {
    say ping -q -c $PINGS -i 0.01 -W 1 10.9.0.2 >ping.log || true
    sed -n 's/.* \([0-9]*\) received.*/\1/p' ping.log
}

# download asks morgana for a page. It fails after two seconds.
download() {
    say curl -s -o /dev/null --max-time 2 http://10.9.0.2/page
}

# Two hosts and a cable; morgana serves a page.
unshare --net sleep infinity &
morgana=$!
until [ "$(readlink /proc/$morgana/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link set lo up
ip link add eth0 type veth peer name eth0 netns $morgana
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
nsenter -t $morgana -n ip addr add 10.9.0.2/24 dev eth0
nsenter -t $morgana -n ip link set eth0 up
mkdir www
head -c 2000 /dev/zero >www/page
nsenter -t $morgana -n python3 -m http.server --bind 10.9.0.2 --directory www 80 >server.log 2>&1 &

echo "borea# insane --slave eth0 --route 10.9.0.2 &"
insane --slave eth0 --route 10.9.0.2 2>insane.log &
insane=$!
insanely --wait 5s >/dev/null
until insanely | grep -q 'from 10\.9\.0\.2$'; do sleep 0.05; done # insane has seen the route
until curl -s -o /dev/null --max-time 2 http://10.9.0.2/page; do sleep 0.05; done

echo
say insanely --seed 2000 eth0 both percent 80 >/dev/null
record run.pcapng
watch
first=$(pings)
watched
recorded run.pcapng
echo "borea# insanely explain run.pcapng --lost"
insanely explain run.pcapng --lost | sort >lost
head -n 3 lost
echo "..."

echo
say insanely --seed 1 eth0 both pass >/dev/null
without=$(pings)
say insanely replay run.pcapng eth0 >/dev/null
record again.pcapng
second=$(pings)
recorded again.pcapng
echo "borea# insanely | grep replay"
insanely | grep '^replay' | tee replayed
insanely explain again.pcapng --lost | sort >again
same=$(comm -12 lost again | wc -l)

echo
say insanely eth0 tx drop 1-20 >/dev/null
say insanely eth0 rx pass >/dev/null
record page.pcapng
failed='failed 0'
download || failed='failed 1'
recorded page.pcapng
say insanely eth0 both pass >/dev/null
download && failed="$failed, came with pass"
say insanely replay page.pcapng eth0 >/dev/null
download || failed="$failed, failed again"
cat <<END

pings answered    $first of $PINGS, $without with another policy, $second in the replay
packets lost      $(wc -l <lost), and $(wc -l <again) in the replay: $same of them the same
the witness       $verdict
the download      $failed
END
kill $insane
wait $insane

[ "$first" -lt $PINGS ] && [ "$without" -eq $PINGS ] && [ "$second" -eq "$first" ] &&
    [ "$same" -eq "$(wc -l <lost)" ] && [ "$same" -eq "$(wc -l <again)" ] && grep -q ' 0 others' replayed &&
    [ "$verdict" = 'nothing differs' ] &&
    [ "$failed" = 'failed 1, came with pass, failed again' ]
