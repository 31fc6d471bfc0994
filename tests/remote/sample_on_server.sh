#!/usr/bin/env bash
# Runs a sample as a client of a server node with a store of its own, both from one build.
#     sample_on_server.sh NEPHRITE SAMPLE INI-FILE
set -euo pipefail
nephrite=$1 sample=$2 ini=$3
work=$(mktemp -d)
cleanUp() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$work"
}
"$nephrite" server --ini "$ini" --set NephriteServer.Port=0 \
  --set "PersistentDb.SystemFileDirectory=$work/store" \
  --set "NephriteServer.AuditLog=$work/audit.log" >"$work/said" 2>&1 &
server=$!
trap cleanUp EXIT
until grep -q 'ready on port' "$work/said"; do
  kill -0 "$server" 2>/dev/null || { cat "$work/said"; exit 1; }
  sleep 0.05
done
port=$(sed -n 's/.*ready on port \([0-9]*\).*/\1/p' "$work/said")
"$sample" "$ini" "JadeClient.ServerNodeSpecifications=TcpIP, 127.0.0.1, $port"
