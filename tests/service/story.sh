#!/bin/bash
# What a host goes through with assentd as a service of systemd; run by tools/try-service inside of a container of its own.
set -uo pipefail

fail() {
    printf 'FAILED: %s\n' "$*"
    [ -e /tmp/said ] && cat /tmp/said
    journalctl --no-pager -n 40 -u assentd
    exit 1
}
# expect STATUS PATTERN COMMAND…: the exit status, and what has to be in the output.
expect() {
    local wanted=$1 pattern=$2 status
    shift 2
    "$@" > /tmp/said 2>&1 < /dev/null
    status=$?
    [ "$status" = "$wanted" ] || fail "$*: gave $status, not $wanted"
    [ -z "$pattern" ] || grep -qE -- "$pattern" /tmp/said || fail "$*: did not say '$pattern'"
    printf '  %s\n' "$*"
}
# As an agent that `assent run` starts, and as one that is a unit in the governed slice.
client=(env PGPASSWORD=tea psql -XAt -h 127.0.0.1 -U bot -d postgres)
run=(assent run --name nightly --user nobody -- "${client[@]}")
unit=(systemd-run --wait --pipe --quiet --slice=assent.slice -p User=nobody -p NoNewPrivileges=yes "${client[@]}")
root_unit=(systemd-run --wait --pipe --quiet --slice=assent.slice "${client[@]}")

systemctl start postgresql
for _ in $(seq 100); do su postgres -c 'pg_isready -q' && break; sleep 0.1; done
su postgres -c "psql -qX -c \"CREATE ROLE bot LOGIN PASSWORD 'tea'\" -c 'CREATE TABLE tea AS SELECT 42 AS leaves' -c 'GRANT ALL ON tea TO bot'" ||
    fail "PostgreSQL"
# A network namespace as a container has it, at the end of a wire.
ip netns add box && ip link add wire0 type veth peer name wire1 netns box && ip address add 10.77.0.1/30 dev wire0 && ip link set wire0 up &&
    ip -n box address add 10.77.0.2/30 dev wire1 && ip -n box link set wire1 up && ip -n box link set lo up || fail "a network namespace"
sed -i '1i host all all 10.77.0.1/32 scram-sha-256' /etc/postgresql/*/main/pg_hba.conf
su postgres -c "psql -qX -c \"ALTER SYSTEM SET listen_addresses = 'localhost,10.77.0.1'\"" && systemctl restart postgresql || fail "PostgreSQL"
for _ in $(seq 100); do su postgres -c 'pg_isready -q' && break; sleep 0.1; done
boxed_client=(env PGPASSWORD=tea psql -XAt -h 10.77.0.1 -U bot -d postgres)
boxed_run=(nsenter --net=/run/netns/box assent run --name nightly --user nobody -- "${boxed_client[@]}")
boxed_unit=(systemd-run --wait --pipe --quiet --slice=assent.slice -p User=nobody -p NoNewPrivileges=yes)
printf 'kernel: {accept: [no-lsm]}\n' >> /etc/assent/assent.yaml
cat > /etc/assent/policies/tea.yaml <<'POLICY'
version: 1
for: {agents: [nightly], targets: [tea-db]}
agents:
  nightly: [{run: "nightly*", runners: [root]}]
targets:
  tea-db: {protocol: postgres, addresses: ["127.0.0.1:5432", "10.77.0.1:5432"]}
rules:
  - {name: reads, operations: [read, transaction], objects: ["public.*"], verdict: allow}
POLICY

expect 0 '' systemctl enable --now assentd
expect 0 'governed: +/assent.slice' assent status
expect 0 'TCP over IPv4 +to assent +to assent +to assent' assent doctor
expect 0 '^42$' "${run[@]}" -c 'TABLE tea'
expect 1 'assent denied this command' "${run[@]}" -c 'DROP TABLE tea'
expect 2 'assent denied this command' "${unit[@]}" -c 'TABLE tea' # no policy knows this agent
expect 2 'server closed the connection' "${root_unit[@]}" -c 'TABLE tea' # root is not contained

# In network namespaces of their own.
expect 0 '^42$' "${boxed_run[@]}" -c 'TABLE tea'
expect 1 'assent denied this command' "${boxed_run[@]}" -c 'DROP TABLE tea'
expect 2 'assent denied this command' "${boxed_unit[@]}" -p NetworkNamespacePath=/run/netns/box "${boxed_client[@]}" -c 'TABLE tea'
expect 2 'assent denied this command' "${boxed_unit[@]}" -p PrivateNetwork=yes "${boxed_client[@]}" -c 'TABLE tea'

printf '  - {name: no-ddl, operations: [ddl], verdict: deny, message: Not on a weekday.}\n' >> /etc/assent/policies/tea.yaml
expect 0 '' systemctl reload assentd
for _ in $(seq 50); do assent status | grep -q 'revision 2' && break; sleep 0.1; done
expect 1 'Not on a weekday' "${run[@]}" -c 'DROP TABLE tea'

# The program is started again in place: the service never stops.
pid=$(systemctl show assentd -P MainPID)
expect 0 'has taken over' assent upgrade --drain 5
expect 0 "^$pid\$" systemctl show assentd -P MainPID
expect 0 '^active$' systemctl is-active assentd
expect 0 '^42$' "${run[@]}" -c 'TABLE tea'

expect 0 '' systemctl restart assentd
expect 0 '^42$' "${run[@]}" -c 'TABLE tea'
expect 0 'nightly' assent sessions

# A unit that a pattern names is governed from its first process on, in whatever slice and whenever that has been started.
printf 'govern: {slices: [assent.slice], units: ["agent-*.service"]}\n' > /tmp/govern
grep -v '^govern:' /etc/assent/assent.yaml > /tmp/settings && cat /tmp/settings /tmp/govern > /etc/assent/assent.yaml
expect 0 '' systemctl restart assentd
pattern=(systemd-run --wait --pipe --quiet --collect --unit=agent-first --slice=work.slice -p User=nobody -p NoNewPrivileges=yes)
for round in 1 2 3; do
    timeout 20 "${pattern[@]}" "${client[@]}" -c 'TABLE tea' > /tmp/said 2>&1 && fail "round $round: a new unit was let out"
    grep -qE 'assent denied|Operation not permitted|server closed' /tmp/said || fail "round $round: a new unit was not held back"
    systemctl stop work.slice
done
printf '  units of a pattern, %s rounds\n' "$round"
expect 2 'assent denied this command' "${pattern[@]}" -p 'ExecStartPre=+assent govern' "${client[@]}" -c 'TABLE tea'
for round in 1 2 3; do
    systemctl stop assent.slice
    "${unit[@]}" -c 'TABLE tea' > /tmp/said 2>&1 && fail "round $round: a slice that was started again let an agent out"
done
expect 0 'flow.opened' assent search /work.slice/agent-first.service

expect 0 '' systemctl kill -s KILL --kill-whom=main assentd
for _ in $(seq 100); do assent status > /dev/null 2>&1 && break; sleep 0.1; done
expect 0 '^42$' "${run[@]}" -c 'TABLE tea' # systemd has started it again

expect 0 '' systemctl stop assentd
expect 0 'Result=success' systemctl show assentd -p Result
expect 2 'Connection refused' "${unit[@]}" -c 'TABLE tea' # what was pinned still holds
expect 2 'Operation not permitted|Connection refused' "${pattern[@]}" "${client[@]}" -c 'TABLE tea'
expect 1 '' "${pattern[@]}" -p 'ExecStartPre=+assent govern' "${client[@]}" -c 'TABLE tea' # which never starts
expect 0 'removed connect4' assent detach --reason 'the end of the story'
expect 0 '^42$' "${unit[@]}" -c 'TABLE tea'

expect 0 '' systemctl start assentd
expect 2 'assent denied this command' "${unit[@]}" -c 'TABLE tea'
expect 0 'the end of the story' assent search 'the end of the story'
expect 0 'intact' assent verify
expect 0 'checkpoint of the log' journalctl --no-pager -u assentd

# A removal of the package ends all governing and leaves the records.
expect 0 '' dpkg --purge assent
expect 0 '^42$' "${unit[@]}" -c 'TABLE tea'
expect 0 'records' ls /var/lib/assent
