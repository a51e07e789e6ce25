#!/usr/bin/env bash
# One run on two machines, drawn as network namespaces: torchrun --nnodes 2 with a process on each.
# Linux, as root, from the root of the checkout: bash tests/reliability/two_machines.sh
set -euo pipefail

folder=$(mktemp -d)
trap 'ip netns del segkit1; ip netns del segkit2; rm -rf "$folder"' EXIT
ip netns add segkit1
ip netns add segkit2
ip link add veth1 netns segkit1 type veth peer name veth2 netns segkit2
for machine in 1 2; do
    ip -n segkit$machine addr add 10.77.9.$machine/24 dev veth$machine
    ip -n segkit$machine link set veth$machine up
    ip -n segkit$machine link set lo up
done

started=()
for machine in 1 2; do
    # torchrun takes a machine for the meeting point by its name, which both have here: is_host says which.
    GLOO_SOCKET_IFNAME=veth$machine ip netns exec segkit$machine python -m torch.distributed.run \
        --nnodes 2 --nproc-per-node 1 --local-addr 10.77.9.$machine \
        --rdzv-backend c10d --rdzv-endpoint 10.77.9.1:29500 --rdzv-conf is_host=$((machine == 1)) \
        -m segkit run recipes/quickstart.yaml --runs "$folder" \
        --set training.num_nodes=2 --set training.epochs=1 2>"$folder/$machine.log" &
    started+=($!)
done
for process in "${started[@]}"; do wait "$process" || echo "a machine failed"; done
cat "$folder/1.log"
[ -s "$folder/2.log" ] && echo "the second machine speaks, too:" && cat "$folder/2.log"
test -f "$folder/quickstart/001/report.html"
