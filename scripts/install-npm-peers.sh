#!/usr/bin/env bash
# Fetch the JavaScript peers of tests/peers into a folder, each checked against its hash before it is unpacked.
#
#   install-npm-peers.sh FOLDER LIST
#
# LIST has lines of `name@version sha512-<base64>`. No script of theirs is run and nothing else comes with them.
set -euo pipefail

folder=$1 list=$2
for tool in npm openssl tar; do
  command -v "$tool" >/dev/null || { echo "set-up: $tool is not here (apt install nodejs npm openssl tar)" >&2; exit 1; }
done

packed=$(mktemp -d)
trap 'rm -rf "$packed"' EXIT
rm -rf "$folder"
while read -r package hash; do
  [[ -n $package && $package != \#* ]] || continue
  file=$(cd "$packed" && npm pack --silent --ignore-scripts "$package")
  seen=sha512-$(openssl dgst -sha512 -binary "$packed/$file" | base64 -w0)
  [[ $seen == "$hash" ]] || { echo "set-up: $package: saw $seen, expected $hash; trust neither" >&2; exit 1; }
  mkdir -p "$folder/node_modules/${package%@*}"
  tar -xzf "$packed/$file" -C "$folder/node_modules/${package%@*}" --strip-components=1
done <"$list"
