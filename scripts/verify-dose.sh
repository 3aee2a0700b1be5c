#!/usr/bin/env bash
# Verify the proof of one dose with bash, coreutils and openssl (3.0 or newer) alone.
#
#   verify-dose.sh DIR TRUST
#
# DIR holds dose.jws, dose.tlog-proof and perhaps dose.disclosures. TRUST holds <unit>.pem and .vkey, pharmacy.pem and
# .vkey: the keys that you got from their owners, and <unit>.<epoch>.<first>.pem and .vkey for a unit's key that took
# over at the place <first> of its log. No key inside DIR is believed. Exit 0: proven. 1: refused, with the
# reason on standard error. 2: a wrong call. The formats are described in docs/reference/ledger.md.
set -euo pipefail
shopt -s nullglob dotglob
export LC_ALL=C

number='(0|[1-9][0-9]{0,17})'
b64_32='[A-Za-z0-9+/]{43}='
declare -A member=() # the record's top-level members: JSON text of the name -> JSON text of the value

refuse() {
  printf 'REFUSED %s\n' "${1//[^ -~]/?}" >&2
  exit 1
}

misused() {
  printf 'verify-dose.sh: %s\nusage: verify-dose.sh DIR TRUST\n' "$1" >&2
  exit 2
}

hex_of() { od -An -v -tx1 | tr -d ' \n'; }

bytes_of() { # hex digits -> bytes
  local escaped='' at
  for ((at = 0; at < ${#1}; at += 2)); do escaped+="\\x${1:at:2}"; done
  printf '%b' "$escaped"
}

sha256() {
  local sum
  sum=$(sha256sum)
  printf '%s' "${sum%% *}"
}

to_url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }

from_url() {
  local text=${1//-/+}
  text=${text//_//}
  while ((${#text} % 4)); do text+='='; done
  printf '%s' "$text" | base64 -d 2>/dev/null
}

# Decoders are lenient where one value must have one text, so what they accept is encoded again and compared.
check_url() { [[ "$(from_url "$1" | to_url)" == "$1" ]] || refuse "$2: not the one base64url spelling of its bytes"; }

hex_of_b64() {
  [[ "$(printf '%s' "$1" | base64 -d 2>/dev/null | base64 -w0)" == "$1" ]] || refuse "$2: not base64 in its one spelling"
  printf '%s' "$1" | base64 -d | hex_of
}

check_signature() { # pem, message file, signature in hex, what it is
  bytes_of "$3" >"$work/signature"
  openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$work/signature" >/dev/null 2>&1 ||
    refuse "$4: bad signature"
}

read_members() { # canonical JSON object -> member
  local rest=${1#\{} string='^"([^"\]|\\.)*"' plain='^[^][{}",:]+' token key='' value='' depth=0
  while [[ -n $rest ]]; do
    if [[ $rest =~ $string || $rest =~ $plain ]]; then token=${BASH_REMATCH[0]}; else token=${rest:0:1}; fi
    rest=${rest:${#token}}
    if [[ $depth == 0 && $token == : ]]; then
      key=$value value=''
    elif [[ $depth == 0 && ($token == , || $token == '}') ]]; then
      [[ -n $key && -z ${member[$key]-} ]] || refuse "record: a member without a name, or one that stands twice"
      member[$key]=$value key='' value=''
    else
      case $token in '{' | '[') depth=$((depth + 1)) ;; '}' | ']') depth=$((depth - 1)) ;; esac
      value+=$token
    fi
  done
}

text_member() {
  local plain='^"([ !#-[^-~]|])*"$' value=${member["\"$1\""]-}
  [[ $value =~ $plain ]] || refuse "record: member $1 is not plain text"
  value=${value#\"}
  printf '%s' "${value%\"}"
}

number_member() {
  local value=${member["\"$1\""]-}
  [[ $value =~ ^$number$ ]] || refuse "record: member $1 is not a number"
  printf '%s' "$value"
}

load_key() { # stem, key type in hex -> key_name, key_id, key_hex
  local vkey="$trust/$1.vkey" pem="$trust/$1.pem" line rest
  [[ -f $vkey && -f $pem ]] || refuse "no trusted key: $pem and $vkey must both be there"
  line=$(<"$vkey")
  [[ $line =~ ^[^+[:space:]]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$ ]] || refuse "$vkey: not a verifier line"
  key_name=${line%%+*} rest=${line#*+}
  key_id=${rest%%+*}
  key_hex=$(hex_of_b64 "${rest#*+}" "$vkey")
  [[ ${key_hex:0:2} == "$2" ]] || refuse "$vkey: key type ${key_hex:0:2}, expected $2"
  key_hex=${key_hex:2}
  line=$({ printf '%s\n' "$key_name" && bytes_of "$2$key_hex"; } | sha256)
  [[ ${line:0:8} == "$key_id" ]] || refuse "$vkey: key ID $key_id, expected ${line:0:8}"
  line=$(openssl pkey -pubin -in "$pem" -outform DER 2>/dev/null | hex_of) || refuse "$pem: not a public key"
  [[ $line == 302a300506032b6570032100$key_hex ]] || refuse "$pem and $vkey hold different keys"
}

unit_key_at() { # a place in the log -> stem: the unit's trusted key that is valid there, loaded
  local path first newest=0
  stem=$unit
  [[ -f $trust/$unit.$epoch.vkey ]] && stem=$unit.$epoch
  for path in "$trust/$unit.$epoch."*.vkey; do
    first=${path#"$trust/$unit.$epoch."}
    first=${first%.vkey}
    [[ $first =~ ^[1-9][0-9]{0,15}$ ]] || continue
    ((first <= $1 && first > newest)) && newest=$first stem=$unit.$epoch.$first
  done
  load_key "$stem" 01
}

fingerprint() { bytes_of "$1" | sha256; }

millilitres() { printf '%d.%03d' $(($1 / 1000000)) $(($1 / 1000 % 1000)); } # nanolitres, rounded down

check_files() {
  local path
  for path in "$dir"/*; do
    case ${path##*/} in
      dose.jws | dose.tlog-proof | dose.disclosures) [[ -f $path ]] || refuse "$path: not a file" ;;
      *) refuse "$path: only dose.jws, dose.tlog-proof and dose.disclosures belong here" ;;
    esac
  done
  [[ -f $dir/dose.jws && -f $dir/dose.tlog-proof ]] || refuse "$dir: dose.jws and dose.tlog-proof must both be there"
}

# bash drops some bytes when it reads (NUL, a last newline), so what was read is written again and compared.
read_record() { # -> jws, payload, member, and the facts that are used
  local part='[A-Za-z0-9_-]+'
  jws=$(<"$dir/dose.jws") 2>/dev/null
  printf '%s' "$jws" | cmp -s - "$dir/dose.jws" || refuse "dose.jws: bytes that do not belong there"
  [[ $jws =~ ^$part\.$part\.[A-Za-z0-9_-]{86}$ ]] || refuse "dose.jws: not header.payload.signature"
  payload=${jws#*.}
  payload=${payload%.*}
  check_url "$payload" "record payload"
  check_url "${jws##*.}" "record signature"
  payload=$(from_url "$payload")
  read_members "$payload"
  # One assignment a line: bash stops only at the last one of a line.
  unit=$(text_member unit)
  epoch=$(number_member ep)
  seq=$(number_member seq)
  typ=$(text_member typ)
  session=$(text_member session)
  end=$(text_member end)
  verdict=$(text_member verdict)
  low=$(number_member low_nl)
  best=$(number_member best_nl)
  high=$(number_member high_nl)
  [[ $unit =~ ^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$ && $unit != pharmacy ]] || refuse "record: unit $unit is not a unit's name"
}

check_record() {
  local header="{\"alg\":\"Ed25519\",\"kid\":\"$key_id\",\"typ\":\"nebctl-dose+jws\"}"
  [[ ${jws%%.*} == "$(printf '%s' "$header" | to_url)" ]] || refuse "record header: expected $header"
  printf '%s' "${jws%.*}" >"$work/message"
  check_signature "$trust/$stem.pem" "$work/message" "$(from_url "${jws##*.}" | hex_of)" "record"
  local site=${key_name%%/*} admits=false
  [[ $site == sim.* ]] && admits=true
  [[ $key_name == "$site/nebctl/$unit/$epoch" ]] || refuse "record: its unit and ep are not those of $key_name"
  [[ ${member['"sim"']-} == "$admits" ]] || refuse "record: sim is not $admits, as the key's name says"
  [[ ${member['"v"']-} == 1 ]] || refuse "record: not version 1"
  [[ $typ == dose ]] || refuse "record: type $typ, expected dose"
}

check_volumes() {
  local limit
  [[ ${member['"charge"']-} =~ \"high_nl\":${number}[,}] ]] || refuse "record: no charge"
  limit=${BASH_REMATCH[1]}
  ((low <= best && best <= high && high <= limit)) ||
    refuse "record: volumes $low, $best, $high of charge $limit nL, expected 0 <= low <= best <= high <= charge"
}

read_proof() { # -> lines, hashes
  mapfile -t lines <"$dir/dose.tlog-proof"
  hashes=$((${#lines[@]} - 9))
  printf '%s\n' "${lines[@]}" | cmp -s - "$dir/dose.tlog-proof" || refuse "dose.tlog-proof: bytes that do not belong there"
  ((hashes >= 0 && hashes <= 63)) || refuse "dose.tlog-proof: ${#lines[@]} lines, expected 9 and one a hash"
  [[ ${lines[0]} == c2sp.org/tlog-proof@v1 ]] || refuse "dose.tlog-proof: line 1 is not c2sp.org/tlog-proof@v1"
  [[ ${lines[1]} == "index $seq" ]] || refuse "dose.tlog-proof: ${lines[1]}, expected the record's seq"
  [[ -z ${lines[hashes + 2]} && -z ${lines[hashes + 6]} ]] || refuse "dose.tlog-proof: a blank line is missing"
}

# RFC 9162, section 2.1.3.2
check_inclusion() {
  local place=$seq size=${lines[hashes + 4]} root=${lines[hashes + 5]} last at sibling found
  [[ $size =~ ^$number$ ]] || refuse "head: size $size is not a number"
  [[ $root =~ ^$b64_32$ ]] || refuse "head: root is not a hash"
  ((place < size)) || refuse "head: size $size does not hold record $place"
  last=$((size - 1))
  found=$({ printf '\0' && cat "$dir/dose.jws"; } | sha256)
  for ((at = 2; at < hashes + 2; at++)); do
    [[ ${lines[at]} =~ ^$b64_32$ ]] || refuse "dose.tlog-proof: line $((at + 1)) is not a hash"
    sibling=$(hex_of_b64 "${lines[at]}" "dose.tlog-proof line $((at + 1))")
    ((last > 0)) || refuse "inclusion path: longer than a tree of $size needs"
    if ((place % 2 == 1 || place == last)); then
      found=$(bytes_of "01$sibling$found" | sha256)
      while ((place % 2 == 0 && place > 0)); do place=$((place / 2)) last=$((last / 2)); done
    else
      found=$(bytes_of "01$found$sibling" | sha256)
    fi
    place=$((place / 2)) last=$((last / 2))
  done
  ((last == 0)) || refuse "inclusion path: shorter than a tree of $size needs"
  [[ $(hex_of_b64 "$root" "head root") == "$found" ]] || refuse "inclusion path: does not lead to the head's root"
}

signature_of() { # line, its length in hex digits -> the signature of the present key, in hex
  local hex name="$key_name " rest=${1#$'\xe2\x80\x94 '}
  [[ $1 != "$rest" && $rest == "$name"* && ${rest#"$name"} != *' '* ]] || refuse "head: no signature line by $key_name"
  hex=$(hex_of_b64 "${rest#"$name"}" "head signature line of $key_name")
  [[ ${#hex} == $(($2 + 8)) && ${hex:0:8} == "$key_id" ]] || refuse "head: the line of $key_name is not by key $key_id"
  printf '%s' "${hex:8}"
}

check_head() {
  [[ ${lines[hashes + 3]} == "$key_name" ]] || refuse "head: origin ${lines[hashes + 3]}, expected $key_name"
  printf '%s\n' "${lines[@]:hashes+3:3}" >"$work/head"
  local signature
  signature=$(signature_of "${lines[hashes + 7]}" 128)
  check_signature "$trust/$stem.pem" "$work/head" "$signature" "head"
}

check_cosignature() { # -> time
  local signature
  signature=$(signature_of "${lines[hashes + 8]}" 144)
  time=$((16#${signature:0:16}))
  ((time > 0 && time < 253402300800)) || refuse "pharmacy's countersignature: its time is in no calendar"
  { printf 'cosignature/v1\ntime %s\n' "$time" && cat "$work/head"; } >"$work/message"
  check_signature "$trust/pharmacy.pem" "$work/message" "${signature:16}" "pharmacy's countersignature"
}

check_disclosures() { # -> shown
  local line text digest name value form='^\["([A-Za-z0-9_-]{22})","([^"\]+)",(.+)\]$' names=' ' disclosures=()
  shown=()
  [[ -e $dir/dose.disclosures ]] || return 0
  mapfile -t disclosures <"$dir/dose.disclosures"
  ((${#disclosures[@]} > 0)) || refuse "dose.disclosures: empty"
  printf '%s\n' "${disclosures[@]}" | cmp -s - "$dir/dose.disclosures" || refuse "dose.disclosures: bytes that do not belong there"
  for line in "${disclosures[@]}"; do
    [[ $line =~ ^[A-Za-z0-9_-]+$ ]] || refuse "dose.disclosures: a line that is not base64url"
    check_url "$line" "dose.disclosures"
    text=$(from_url "$line")
    [[ $text =~ $form ]] || refuse "dose.disclosures: a line that is not [salt, name, value]"
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    digest=$(bytes_of "$(printf '%s' "$line" | sha256)" | to_url)
    [[ ${member['"_sd"']-} == *"\"$digest\""* ]] || refuse "disclosure $name: its digest is not in the record"
    [[ $names != *" $name "* && -z ${member["\"$name\""]-} ]] || refuse "disclosure $name: the name stands twice"
    names+="$name "
    shown+=("${name//[^ -~]/?}: ${value//[^ -~]/?}")
  done
}

report() {
  local simulated='' each
  [[ ${member['"sim"']} == true ]] && simulated=' (SIMULATED)'
  printf 'PROVEN  unit %s%s, epoch %s, seq %s, dose %s\n' "$unit" "$simulated" "$epoch" "$seq" "$session"
  for each in "${shown[@]}"; do printf '        %s\n' "$each"; done
  printf 'emitted %s to %s mL, end %s, verdict %s\n' "$(millilitres "$low")" "$(millilitres $((high + 999)))" "$end" "$verdict"
  printf 'head    %s records, countersigned %s\n' "${lines[hashes + 4]}" "$(date -u -d "@$time" +%Y-%m-%dT%H:%M:%SZ)"
  printf 'by keys (compare these fingerprints with their owners)\n'
  printf '        %s sha256 %s\n' "$unit_name" "$(fingerprint "$unit_hex")"
  [[ $head_hex == "$unit_hex" ]] || printf '        %s sha256 %s\n' "$head_name" "$(fingerprint "$head_hex")"
  printf '        %s sha256 %s\n' "$key_name" "$(fingerprint "$key_hex")"
}

(($# == 2)) || misused "expected two folders"
dir=$1 trust=$2
[[ -d $dir ]] || misused "$dir: no such folder"
[[ -d $trust ]] || misused "$trust: no such folder"
dir=$(cd -- "$dir" && pwd)
trust=$(cd -- "$trust" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check_files
read_record
unit_key_at "$seq"
unit_name=$key_name unit_hex=$key_hex
check_record
check_volumes
read_proof
check_inclusion
unit_key_at "${lines[hashes + 4]}"
head_name=$key_name head_hex=$key_hex
check_head
load_key pharmacy 04
check_cosignature
check_disclosures
report
