#!/bin/sh
# A chaos experiment on a web service.
#
# The service is Python's web server on the host morgana; curl on the host borea asks it
# for a page, again and again. The experiment begins with what is normal, the steady
# state. Then come the faults, one at a time, each with what is expected to hold under
# it. A line for each says what was measured and whether that held. After each fault
# the steady state has to be back.
#
# The experiment ends early, and takes the fault away first of all, when too many
# requests have failed, when the steady state is not there, when a fault has met no
# packet, or when a signal comes. However it ends, kill -9 included, nothing is left.
#
# Run it as root, with insane, insanely, curl and python3 in the PATH, or the first two
# in bin/ of this project. For a service of your own, see the README.
# Exit status: 0 everything held, 1 something did not, 3 the experiment ended early.
set -eu

REQUESTS=100        # under each fault
AT_A_TIME=5         # at most
PATIENCE=2          # seconds after which a request has failed
LIMIT=${LIMIT-5}    # a fault is lifted as soon as so many requests have failed under it
BUDGET=${BUDGET-15} # the experiment ends as soon as so many have failed in all

# The expectations: at least so many per cent of the requests are answered, and 99 % of
# them are done within so many milliseconds. Each fault is a policy of both directions.
STEADY='100 1000'
FAULTS=${FAULTS-'
loss   95 2500 percent 98
delay 100 1500 delay 20ms jitter 10ms
slow   95 2500 rate 2mbit queue 100ms
cut    80 3000 percent 0
'}

if [ "${1-}" != inside ]; then
    exec unshare --net --mount "$0" inside
fi

# lab makes two hosts and a cable, and starts the service.
lab() {
    SLAVE=eth0 SERVICE=10.9.0.2 URL=http://10.9.0.2/page
    mount -t tmpfs tmpfs /run # private to this script
    cd /run
    begin unshare --net sleep infinity
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
    begin nsenter -t $morgana -n python3 -m http.server --bind 10.9.0.2 --directory www 80 2>server.log
    until curl -s -o /dev/null --max-time $PATIENCE $URL; do sleep 0.05; done
}

# route routes the service through insane. What is not for its address goes past, and
# cannot be hurt.
route() {
    echo "borea# insane --slave $SLAVE --route $SERVICE --seed 2000 &"
    begin insane --slave $SLAVE --route $SERVICE --seed 2000 2>insane.log
    insane=$!
    insanely --wait 5s >/dev/null
}

# begin starts a command in the background. It ends with this script, however that ends.
# Ctrl-C does not reach it: the fault is to be gone first (finish).
begin() {
    setpriv --pdeathsig KILL setsid "$@" >/dev/null 3>&- &
}

# say shows a command as a person would type it, and runs it.
exec 3>&1
say() {
    echo "borea# $*" >&3
    "$@"
}

# apply sets a policy of both directions.
apply() {
    insanely $SLAVE both $1 >/dev/null
    policy=$1 lifted=
}

# lift takes the fault away, and notes how many packets it has met.
lift() {
    met=$(insanely | awk '/ did .* % of / { met += $NF } END { print met + 0 }')
    apply pass
}

# measure makes so many requests. It sets answered (per cent) and p99 (milliseconds).
measure() { # REQUESTS
    begin curl -s --no-progress-meter -Z --parallel-immediate --parallel-max $AT_A_TIME --max-time $PATIENCE -o /dev/null \
        -w '%{stderr}%{http_code} %{time_total}\n' "$URL?[1-$1]" 2>requests
    load=$!
    while kill -0 $load 2>/dev/null; do
        failed=$(failures)
        [ $((spent + failed)) -lt "$BUDGET" ] ||
            early "under $policy: $((spent + failed)) requests have failed, the budget is $BUDGET"
        if [ "$policy" != pass ] && [ "$failed" -ge "$LIMIT" ]; then
            lift
            lifted=", lifted after $failed failures"
        fi
        sleep 0.1
    done
    wait $load || true
    load=
    spent=$((spent + $(failures)))
    set -- $(sort -k 2n requests | awk '/^2/ { ok++ } { took[NR] = $2 * 1000 }
        END { printf "%d %d", ok * 100 / NR, took[int((NR * 99 + 99) / 100)] }')
    answered=$1 p99=$2
}

# failures counts the requests that were not answered with a status of 2xx.
failures() {
    grep -c '^[^2]' requests || true
}

# judge says in $broken which of the two expectations did not hold.
judge() { # PERCENT MILLISECONDS
    broken=
    [ "$answered" -ge "$1" ] || broken=' answers'
    [ "$p99" -le "$2" ] || broken="$broken time"
}

# fault measures under a policy, and prints a line.
fault() { # NAME PERCENT MILLISECONDS POLICY
    apply "$4"
    measure $REQUESTS
    [ -n "$lifted" ] || lift
    [ "$met" -gt 0 ] || early "under $4: not one packet came by insane"
    judge "$2" "$3"
    verdict=held
    [ -z "$broken" ] || verdict="did not hold:$broken" status=1
    printf '%-6s  %-30s  %4s %%  %4s %%  %8s ms  %4s ms  %7s  %s\n' "$1" "$4" "$answered" "$2" "$p99" "$3" "$met" "$verdict$lifted"
}

# steady ends the experiment unless the steady state is there.
steady() { # WHEN
    measure 20
    judge $STEADY
    [ -z "$broken" ] || early "$1 the steady state does not hold:$broken ($answered %, $p99 ms)"
}

# early ends the experiment.
early() {
    printf '\nended early: %s\n' "$1"
    exit 3
}

# finish takes away all there is. Nothing interrupts it.
finish() {
    code=$?
    trap '' HUP INT TERM
    [ $code -le 128 ] || printf '\nended early: signal %d\n' $((code - 128))
    echo
    say insanely $SLAVE both pass | grep ^mode || true
    kill $load $insane 2>/dev/null || true
    wait $insane || true
    say ip route get $SERVICE | head -n 1
    exit $code
}

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../bin
export INSANE_SOCKET=@chaos # exists in this network namespace, not in a file
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
status=0 spent=0 load=
lab
route
trap finish EXIT
printf '\n%-6s  %-30s  %-6s  %-6s  %-11s  %-7s  %-7s\n' fault 'policy, both ways' answer expect '99 % within' expect packets
fault steady $STEADY pass
[ $status -eq 0 ] || early 'the steady state does not hold'
while read -r name least most fault <&4; do
    [ -n "$name" ] || continue
    fault "$name" "$least" "$most" "$fault"
    steady "after $name"
done 4<<END
$FAULTS
END
fault steady $STEADY pass
exit $status
